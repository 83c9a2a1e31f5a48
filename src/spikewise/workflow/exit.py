"""Another exit setting for a run that is there: choose when to stop, really stop, price, and say what was gained."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from spikewise._choices import Accumulate
from spikewise.data.binning import Binning
from spikewise.data.images import ImageSet, load_splits
from spikewise.energy.measurement import measured_of
from spikewise.energy.meter import EnergyMeter
from spikewise.errors import DataError, ParameterError, positive_number
from spikewise.price.analysis.companions import Prices, check_platform
from spikewise.runs.exit_record import ExitRecord
from spikewise.runs.exit_settings import ExitSettings
from spikewise.runs.folder import Run
from spikewise.runs.names import EXIT_FILE
from spikewise.runs.results import Controls, Costs, DataFigures, ExitFigures, ExitResults, Timing

from .early_exit import LookCloser, kept_steps, stop_and_price
from .folder import page_of
from .learn import ENOUGH_VALIDATION, MUCH_VALIDATION, Progress, identify, open_network


def run_exit(
    path: Path,
    asked: ExitSettings,
    stages: Callable[[str], Progress],
    *,
    data: str | None = None,
    root: Path | None = None,
    meter: EnergyMeter | None = None,
) -> ExitResults:
    """Add an exit setting to a run; one that is there already is only shown.

    Parameters
    ----------
    path : Path
        Folder of a run whose network is trained.
    asked : ExitSettings
        When to stop.
    stages : callable
        Opens a progress report per stage.
    data : str, optional
        Where the data of the run are; by the name in its record if absent.
    root : Path, optional
        Where to look for data first.
    meter : EnergyMeter, optional
        Measures energy; by default with the counters that this machine has.

    Returns
    -------
    ExitResults
        All figures (fractions, SI units).

    Raises
    ------
    DataError
        If the run has no network, or the data are not those that it was trained on.
    """
    check_platform(asked.platform)
    meter = meter or EnergyMeter()
    with Run.hold(path) as run:
        if run.record["kind"] == "stdp" and (asked.temperature or asked.conditional):
            raise ParameterError(
                "temperature and conditional must be left out of networks without labels; they take one bound and one "
                "temperature for all steps. Ask for a guarantee without them."
            )
        network = open_network(run)
        splits = splits_of(run, data, root)
        run.check_exits()  # a damaged file is found before the work
        record, prices = stop_and_price(
            run, network, splits["validation"], splits["test"], asked, stages(f"stop {splits['train'].name}"),
            accumulate=accumulation_of(run), look=look_of(run, network, splits["test"]), meter=meter,
        )  # fmt: skip
        return _results(run, record, prices, meter.watts)


def accumulation_of(run: Run) -> Accumulate:
    """Evidence that the exit rule reads: what a deep network was trained for, and the sum of an STDP network."""
    if run.record["kind"] == "stdp":
        return "sum"
    found = run.record["settings"].get("fit", {}).get("accumulate", "mean")
    return "sum" if found == "sum" else "mean"


def splits_of(run: Run, data: str | None = None, root: Path | None = None) -> dict[str, ImageSet]:
    """The data of a run, once they are known to be the same.

    Parameters
    ----------
    run : Run
        Its record says what the data were.
    data : str, optional
        Where they are; by the name in the record if absent.
    root : Path, optional
        Where to look first.
    """
    settings = run.record["settings"]
    asked = settings.get("data", {})
    binning = settings.get("binning")
    for size in (ENOUGH_VALIDATION, MUCH_VALIDATION):  # one of them was wished for when the run was made
        splits = load_splits(
            data or asked.get("name", ""), root, min_validation=size,
            n_steps=settings.get("fit", {}).get("n_steps", 4),
            binning=None if binning is None else Binning.model_validate(binning),
        )  # fmt: skip
        found = identify(splits)
        if all(found[key] == asked.get(key) for key in ("validation_sha256", "test_sha256")):
            return splits
    raise DataError(
        f"validation and test images must be those that {run.path} was made with ({asked.get('name')}); what was found "
        "differs in content. Say with --data where they are."
    )


def look_of(run: Run, network: Any, test: ImageSet) -> LookCloser | None:
    """What else to find out in the look at the test set; nothing of a deep network."""
    if run.record["kind"] != "stdp":
        return None
    from .stdp import look_closer

    return lambda trace, rule: look_closer(network, test, trace, rule)


def _results(run: Run, record: ExitRecord, prices: Prices, watts: float | None) -> ExitResults:
    name, by_step = record.name, run.record["metrics"].get("accuracy_by_step", {})
    there = run.exit(name)
    try:
        full_s, exit_s = (
            positive_number(f"timings.{key}", run.record["timings"].get(key), math.inf)
            for key in (f"test_{which}_s ({name})" for which in ("full", "exit"))
        )
        if by_step.keys() != {str(step) for step in kept_steps(record.n_steps)}:
            raise ParameterError("metrics.accuracy_by_step must tell of every step.")
    except ParameterError as error:
        anew = f"Delete {there.path / EXIT_FILE} and run spikewise exit again."
        raise run.damaged(str(error).rstrip("."), anew) from None
    return ExitResults(
        run=str(run.path), name=name, data=DataFigures(name=run.record["data"].get("name"), n_test=record.n_test),
        asked=record.asked, calibration=record.calibration, certificate=there.needed_choice().certificate,
        n_certificates=sum(each.is_certified for each in run.exits.values()),
        accuracy=record.accuracy_full, accuracy_by_step=by_step, exit=ExitFigures.of(record, has_spread=True),
        controls=Controls.of(record),
        timing=Timing(full_s / record.n_test, exit_s / record.n_test, full_s / exit_s),
        cost=Costs.of(prices), measured=measured_of(run, name, watts),
        n_test_evaluations=len(run.record["test_evaluations"]), page=page_of(run, watts),
    )  # fmt: skip
