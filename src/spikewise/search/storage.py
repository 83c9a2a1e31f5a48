"""The database of a study: open it with heartbeats, and convert its failures to errors of this package."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from spikewise.errors import DataError, RunError, require

_THE_STUDY = "the study"


def url_of(path: Any) -> str:
    """Return the address of a SQLite database in a file.

    Examples
    --------
    >>> url_of("study.db")
    'sqlite:///study.db'
    """
    return f"sqlite:///{path}"


@contextmanager
def calm() -> Iterator[None]:
    """Suppress Optuna's warnings about its experimental parts in this block."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", require("optuna", "search").exceptions.ExperimentalWarning)
        yield


def open_storage(url: str, grace_s: int, max_retry: int) -> Any:
    """Open Optuna's storage; a trial of a dead worker is enqueued again, at most ``max_retry`` times."""
    optuna = require("optuna", "search")
    # SQLite locks the whole file while one worker writes, so others must wait longer than its default of 5 s. Six
    # heartbeats fit into the grace period: a single late one does not count as a death.
    return optuna.storages.RDBStorage(
        url, engine_kwargs={"connect_args": {"timeout": 60}} if url.startswith("sqlite") else None,
        heartbeat_interval=max(1, grace_s // 6), grace_period=grace_s,
        heartbeat_stale_trial_callback=optuna.storages.RetryHeartbeatStaleTrialCallback(max_retry=max_retry),
    )  # fmt: skip


class Witness:
    """A worker that watches the trials of the others, so that each of them can be seen to die.

    Optuna takes a trial back whose heartbeats have stopped. A worker that dies before its first heartbeat has none that
    could stop, and its trial would count as running for ever. So a witness records one heartbeat of each running trial
    that it has not seen before; a worker that lives records all further ones.
    """

    def __init__(self, storage: Any, study: str) -> None:
        self._storage, self._id = storage, storage.get_study_id_from_name(study)
        self._seen: set[int] = set()

    def take_back_dead(self, study: Any) -> None:
        """Let Optuna repeat the trials of dead workers, and vouch once for each trial that is new."""
        optuna = require("optuna", "search")
        optuna.storages.fail_stale_trials(study)
        running = (optuna.trial.TrialState.RUNNING,)
        numbers = {trial.number for trial in study.get_trials(deepcopy=False, states=running)}
        for number in numbers - self._seen:
            self._storage.record_heartbeat(self._storage.get_trial_id_from_study_id_trial_number(self._id, number))
        self._seen |= numbers


def shown(url: str) -> str:
    """Return the address of a database without its password."""
    if url == _THE_STUDY:
        return url
    try:
        return str(require("sqlalchemy", "search").make_url(url).render_as_string(hide_password=True))
    except require("sqlalchemy", "search").exc.ArgumentError:
        return "the storage"  # an address that cannot be parsed may hold a password anywhere


@contextmanager
def guarded(url: str = _THE_STUDY) -> Iterator[None]:
    """Convert failures of a database in this block to RunError and DataError."""
    optuna, sqlalchemy = require("optuna", "search"), require("sqlalchemy", "search")
    try:
        yield
    except (optuna.exceptions.StorageInternalError, sqlalchemy.exc.OperationalError) as error:
        raise RunError(
            f"{shown(url)} must be a database that can be read and written; {_first_line(error)}. Is it there, and is "
            "there room?"
        ) from None
    except ImportError:
        raise RunError(
            f"{shown(url)} must have a driver in Python; there is none. For PostgreSQL: pip install psycopg2-binary, "
            "for MySQL: pip install pymysql."
        ) from None
    except (sqlalchemy.exc.SQLAlchemyError, RuntimeError) as error:
        # Optuna raises a bare RuntimeError if the version of the storage does not fit.
        if isinstance(error, RuntimeError) and "storage" not in str(error).lower():
            raise
        raise DataError(
            f"{shown(url)} must be a database of Optuna that can be opened here; {_first_line(error)}. Restore it, or "
            "begin anew in another folder."
        ) from None


def _first_line(error: BaseException) -> str:
    # The further lines of SQLAlchemy's messages are SQL statements.
    return str(error).strip().split("\n")[0][:200].rstrip(".")
