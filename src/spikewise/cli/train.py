"""``spikewise train``: a deep network by gradients, stopped early and priced."""

import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import ValidationError

from spikewise.data.augmentation import AUGMENTATIONS, Augmentation
from spikewise.data.binning import Binning
from spikewise.errors import ParameterError, require
from spikewise.workflow.settings.train import TrainSettings

from .options import Spelled, Watts, options, problem
from .output import NOTES, emit, progress, stages_on

Made = TypeVar("Made", Augmentation, Binning)


def augmentation_of(words: str, data: str) -> Augmentation:
    """Variants as ``--augment`` names them, for this data set.

    Examples
    --------
    >>> augmentation_of("shift=2,flip", "digits")
    Augmentation(max_shift=2, flip=True, cutout=0, mixup=0.0)
    >>> augmentation_of("auto", "cifar10").max_shift
    4
    """
    from spikewise.data.catalog.events import event_set_of

    if words == "auto":
        recorded = event_set_of(data)
        return AUGMENTATIONS.get(recorded.name if recorded else data, Augmentation())
    if words == "none":
        return Augmentation()
    if words in AUGMENTATIONS:
        return AUGMENTATIONS[words]
    known = {"shift": "max_shift", "flip": "flip", "cutout": "cutout", "mixup": "mixup"}
    found: dict[str, Any] = {}
    for word in words.split(","):
        key, _, value = word.partition("=")
        if key not in known or bool(value) == (key == "flip"):
            raise ParameterError(
                f"--augment must be auto, none, {', '.join(AUGMENTATIONS)}, or parts such as "
                f"shift=4,flip,cutout=16,mixup=0.2; got {words!r}."
            )
        found[known[key]] = value or True
    return _made(Augmentation, found)


def binning_of(words: str | None) -> Binning | None:
    """Frames of recordings as ``--bin`` describes them.

    Examples
    --------
    >>> binning_of("count,size=48")
    Binning(by='count', span_us=None, crop=None, size=(48, 48))
    """
    if words is None:
        return None
    by, *parts = words.split(",")
    found: dict[str, Any] = {"by": by}
    for word in parts:
        key, _, value = word.partition("=")
        if key not in ("span", "crop", "size") or not value.replace("x", "").isdecimal():
            raise ParameterError(
                f"--bin must be time or count, with parts such as span=300000,crop=96,size=48x48; got {words!r}."
            )
        sides = value.split("x")
        found |= {"span_us": value} if key == "span" else {key: sides * 2 if len(sides) == 1 else sides}
    return _made(Binning, found)


def _made(model: type[Made], found: dict[str, Any]) -> Made:
    try:
        return model(**found)
    except ValidationError as error:
        raise problem(model, found, error, SPELLED) from None


def customary(asked: dict[str, Any], flags: Mapping[str, Any]) -> None:
    """The variants of the images by the name of the data, unless they are described."""
    fit = asked.setdefault("fit", {})
    words = fit.get("augment", "auto") if isinstance(fit, dict) else None
    if isinstance(words, str):
        fit["augment"] = augmentation_of(words, str(asked.get("data", TrainSettings().data)))


SPELLED = {
    "binning": Spelled("--bin", binning_of), "n_steps": Spelled("--steps"), "n_steps_min": Spelled("--min-steps"),
    "batch_size": Spelled("--batch"), "clip_norm": Spelled("--clip"), "precision": Spelled("--amp"),
    "augment": Spelled("--augment", str, default="auto"),
    "by": Spelled("--bin"), "span_us": Spelled("--bin span"), "crop": Spelled("--bin crop"),
    "size": Spelled("--bin size"), "max_shift": Spelled("--augment shift"), "cutout": Spelled("--augment cutout"),
    "mixup": Spelled("--augment mixup"),
}  # fmt: skip


@options(TrainSettings, SPELLED, customary)
def train(
    settings: TrainSettings,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; runs/DATA-MODEL-SEED if absent.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in that folder.")] = False,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write its event files too.")] = False,
    root: Annotated[Path | None, typer.Option(help="Folder to look for data in first.")] = None,
    watts: Watts = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Train a deep network by gradients, stop early and price; with a page."""
    require("torch", "deep")
    from spikewise.energy.meter import EnergyMeter
    from spikewise.report.tables.train import train_table
    from spikewise.workflow.train import run_train

    began = time.perf_counter()
    meter = EnergyMeter(watts)
    folder = out or Path("runs") / f"{Path(settings.data).stem}-{settings.network.model}-{settings.fit.seed}"
    with warnings.catch_warnings(record=True) as caught, progress() as bars:
        warnings.simplefilter("always", UserWarning)
        results = run_train(
            settings, folder, stages_on(bars), root, resume=resume, tensorboard=tensorboard, meter=meter
        )
    if not results:  # a process that only helped the first one
        return
    emit(results, train_table(results), as_json=as_json)
    for remark in dict.fromkeys([*(str(each.message) for each in caught), *results.page.remarks]):
        NOTES.print("note:", remark, markup=False, soft_wrap=True)
    page = results.page.report or results.run
    NOTES.print(f"Report: {page}   ({time.perf_counter() - began:.0f} s)", markup=False, soft_wrap=True)
