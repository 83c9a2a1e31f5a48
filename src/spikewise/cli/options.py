"""Options of a command, made from the fields of its settings: a name, a default and a limit are said once.

``@options(Model, spelled)`` gives a command one flag per field of its settings, those of nested settings included, and
``--config FILE`` and ``--print-config`` beside them; the command itself takes the finished settings. The file holds the
same fields in TOML, nested as the settings are, and flags win over it.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, get_args, get_origin

import typer
from pydantic import BaseModel, ValidationError

from spikewise._validation import bare, complaint
from spikewise.errors import DataError, ParameterError

from .toml import as_toml

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

Place = tuple[str, ...]
Watts = Annotated[
    float | None, typer.Option(help="Mean power of this machine from a wattmeter; counters, if any, if absent.")
]
_CONFIG = typer.Option("--config", metavar="FILE", help="Settings from a TOML file; flags win over it.")
_PRINT = typer.Option("--print-config", help="Print all settings as such a file, and do nothing else.")
_SIGNS = (("ge", ">="), ("gt", ">"), ("le", "<="), ("lt", "<"))
_RUN_BY = "command"  # key of the file that says which command it is for


def is_whole(word: str) -> bool:
    """Whether a word is a whole number of at most 18 digits; Python refuses to read thousands of them.

    Examples
    --------
    >>> is_whole("8"), is_whole("-8"), is_whole("8" * 5000)
    (True, False, False)
    """
    return word.isdecimal() and len(word) <= 18


class Spelled(NamedTuple):
    """A flag that is not called like its field, or whose words are not its value.

    Parameters
    ----------
    flag : str
        Such as ``--bits``. With a space in it, only messages use it.
    read : callable, optional
        Makes the value of the words, on the command line and of a text in the file.
    default : str, optional
        Words of the default.
    none : str, optional
        Words for None, where the default is something else.
    is_repeated : bool
        Whether the flag may come several times; ``read`` takes the list of the words.
    """

    flag: str
    read: Callable[[Any], Any] | None = None
    default: str | None = None
    none: str | None = None
    is_repeated: bool = False


Complete = Callable[[dict[str, Any], Mapping[str, Any]], None]
"""Adds to what was asked for, knowing which of it are flags."""


def options(
    model: type[BaseModel], spelled: Mapping[str, Spelled] | None = None, complete: Complete | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorator of a command that takes settings: gives it a flag per field, ``--config`` and ``--print-config``.

    Parameters
    ----------
    model : type of BaseModel
        Settings that the command takes as ``settings``.
    spelled : mapping of str to Spelled, optional
        Special spellings, by name of the field.
    complete : callable, optional
        Fills in what a default of a field cannot say.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        asked = Asked(command.__name__.rstrip("_"), model, spelled or {}, complete)

        def run(context: typer.Context, config: Path | None, print_config: bool, **values: Any) -> None:
            given = {key: values.pop(key) for key in asked.fields}
            settings = asked.settings({key: given[key] for key in given if _is_flag(context, key)}, config)
            if print_config:
                sys.stdout.write(asked.file_of(settings))
            else:
                command(settings, **values)

        own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "settings"]
        run.__signature__ = inspect.Signature([  # type: ignore[attr-defined]
            _keyword("context", typer.Context),
            *(_option(path, info, asked.spelled) for path, info in asked.fields.values()),
            _keyword("config", Annotated[Path | None, _CONFIG], None),
            _keyword("print_config", Annotated[bool, _PRINT], False),
            *(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own),
        ])  # fmt: skip
        run.__name__, run.__doc__, run.__module__ = command.__name__, command.__doc__, command.__module__
        return run

    return decorate


@dataclass(frozen=True)
class Asked:
    """What a command may be asked for: makes settings of flags and a file, and a file of settings.

    Parameters
    ----------
    command, model, spelled, complete
        Name of the command, and what :func:`options` takes.
    """

    command: str
    model: type[BaseModel]
    spelled: Mapping[str, Spelled] = field(default_factory=dict)
    complete: Complete | None = None

    @cached_property
    def fields(self) -> dict[str, tuple[Place, FieldInfo]]:
        """Place and description of each field that has a flag, by its name."""
        return {path[-1]: (path, info) for path, info in fields_of(self.model, self.spelled)}

    def settings(self, flags: Mapping[str, Any], file: Path | None) -> BaseModel:
        """Settings by these flags, and by the file where there is none.

        Raises
        ------
        ParameterError
            If the flags, or flags and file together, ask for what cannot be.
        DataError
            If the file does, or cannot be read.
        """
        asked: dict[str, Any] = {} if file is None else self._read(file)
        for name, value in flags.items():
            *above, leaf = self.fields[name][0]
            place = asked
            for key in above:
                place = place.setdefault(key, {})
            place[leaf] = self._worded(name, value)
        try:
            return self._made(asked, flags)
        except ValidationError as error:
            if file is not None and not flags:
                raise DataError(f"{file}: {complaint(self.model, asked, error)}") from None
            raise problem(self.model, asked, error, self.spelled) from None

    def file_of(self, settings: BaseModel) -> str:
        """A file that asks for these settings."""
        return as_toml(settings, {_RUN_BY: self.command}, {name: each.none for name, each in self.spelled.items()})

    def _read(self, file: Path) -> dict[str, Any]:
        """What the file asks for; all but what a flag may still mend is known to be possible."""
        from spikewise.price.preset import read_toml

        asked: dict[str, Any] = _as_tuples(read_toml(file))
        if (other := asked.pop(_RUN_BY, self.command)) != self.command:
            raise DataError(f"{file} must hold settings of spikewise {self.command}; got those of {other!r}.")
        try:
            for name, (path, _) in self.fields.items():
                place: Any = asked
                for key in path[:-1]:
                    place = place.get(key) if isinstance(place, dict) else None
                if isinstance(place, dict) and name in place:
                    place[name] = self._worded(name, place[name])
            self._made(deepcopy(asked), {}, strict=True)
        except ParameterError as error:
            raise DataError(f"{file}: {error}") from None
        except ValidationError as error:
            if any(fault["type"] != "value_error" for fault in error.errors()):
                raise DataError(f"{file}: {complaint(self.model, asked, error)}") from None
        return asked

    def _worded(self, name: str, value: Any) -> Any:
        read = self.spelled[name].read if name in self.spelled else None
        return read(value) if read is not None and isinstance(value, str | list) else value

    def _made(self, asked: dict[str, Any], flags: Mapping[str, Any], *, strict: bool = False) -> BaseModel:
        if self.complete is not None:
            self.complete(asked, flags)
        return self.model.model_validate(asked, strict=strict)


def fields_of(
    model: type[BaseModel], spelled: Mapping[str, Spelled], above: Place = ()
) -> Iterator[tuple[Place, FieldInfo]]:
    """Fields that have a flag of their own: all but those of settings that one flag describes as a whole."""
    for name, info in model.model_fields.items():
        kind = bare(info.annotation)
        is_whole = name in spelled and spelled[name].read is not None
        if isinstance(kind, type) and issubclass(kind, BaseModel) and not is_whole:
            yield from fields_of(kind, spelled, (*above, name))
        else:
            yield (*above, name), info


def problem(
    model: type[BaseModel], raw: Mapping[str, Any], error: ValidationError, spelled: Mapping[str, Spelled]
) -> ParameterError:
    """The first fault of settings, which are named by their flags."""
    flags = {path[-1]: f"--{path[-1].replace('_', '-')}" for path, _ in fields_of(model, spelled)}
    flags |= {name: each.flag for name, each in spelled.items()}
    # Settings that do not go together are named in the sentence itself, whatever table they stand in.
    told = re.sub(r"^[\w.]+: (?=\w+ must )", "", complaint(model, raw, error))

    def named(word: re.Match[str]) -> str:
        leaf = next((part for part in reversed(word[0].split(".")) if not part.isdecimal()), "")
        return flags.get(leaf, word[0])

    return ParameterError(re.sub(r"^[\w.]+|\b\w+_\w+\b", named, told))


def _option(path: Place, info: FieldInfo, spelled: Mapping[str, Spelled]) -> inspect.Parameter:
    """The flag of one field."""
    name, kind = path[-1], bare(info.annotation)
    special = spelled.get(name, Spelled(f"--{name.replace('_', '-')}"))
    declared = f"{special.flag}/--no-{special.flag.removeprefix('--')}" if kind is bool else special.flag
    taken: Any = kind if kind in (bool, int, float) and special.read is None else str
    default = _in_words(info.default) if special.default is None else special.default
    option = typer.Option(declared, help=info.description, metavar=_possible(kind, info))
    if special.is_repeated:
        taken, default = list[str], None
    return _keyword(name, Annotated[taken if default is not None else taken | None, option], default)


def _possible(kind: Any, info: FieldInfo) -> str | None:
    """Choices or limits of a field."""
    if get_origin(kind) is Literal:
        return "|".join(map(str, get_args(kind)))
    limits = [
        f"{sign}{getattr(each, bound):.10g}" for each in info.metadata for bound, sign in _SIGNS if hasattr(each, bound)
    ]
    return " ".join([f"<{kind.__name__}>", *limits]) if limits else None


def _keyword(name: str, kind: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)


def _in_words(value: Any) -> Any:
    """A default as it would be typed."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else value


def _is_flag(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def _as_tuples(value: Any) -> Any:
    """Lists as tuples, since settings are frozen."""
    if isinstance(value, dict):
        return {key: _as_tuples(each) for key, each in value.items()}
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value
