"""Fewer bits for a run that is there: a child run with the network in fixed point, stopped and priced as its parent.

What the bits of each layer are chosen by, and what fine-tuning learns from, are training and validation images; the
test images are looked at once, as by every run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from spikewise.data.images import ImageSet
from spikewise.dynamic.fingerprint import model_identity
from spikewise.errors import CapacityError, DataError, ParameterError, require, unknown_name
from spikewise.learn.stdp.classifier import STDPClassifier
from spikewise.price.analysis.companions import check_platform, price_all
from spikewise.runs.exit_folder import ExitFolder
from spikewise.runs.exit_record import ExitRecord
from spikewise.runs.exit_settings import ExitSettings
from spikewise.runs.folder import Run
from spikewise.runs.names import CHECKPOINT, MODEL_FILE
from spikewise.runs.results import Costs, ShrinkColumn, ShrinkResults
from spikewise.workload.workload import Workload

from .early_exit import stop_and_price
from .exit import accumulation_of, look_of, splits_of
from .folder import page_of
from .learn import Progress, is_learned, open_network, tidy
from .settings.shrink import FLOAT_BITS, N_TYPICAL, REST, ShrinkSettings
from .threshold import halves

if TYPE_CHECKING:
    from spikewise.learn.gradient.settings import FitSettings
    from spikewise.shrink.classifier import FixedClassifier
    from spikewise.shrink.format import FixedFormat

_MOST_STDP_BITS = 8
_TUNING = {
    "growth": 0.0, "ema": 0.0, "n_steps_min": None, "optimizer": "adamw", "weight_decay": 0.0, "schedule": "one_cycle",
}  # fmt: skip


def run_shrink(
    path: Path,
    settings: ShrinkSettings,
    stages: Callable[[str], Progress],
    *,
    out: Path | None = None,
    data: str | None = None,
    root: Path | None = None,
) -> ShrinkResults:
    """Make a child run in fixed point; goes on from what is there.

    Parameters
    ----------
    path : Path
        Folder of a run that is trained and has an exit setting.
    settings : ShrinkSettings
        Which bits, and on which platform both are priced.
    stages : callable
        Opens a progress report per stage.
    out : Path, optional
        Folder of the child; that of the parent with the bits behind it if absent.
    data : str, optional
        Where the data of the run are; by the name in its record if absent.
    root : Path, optional
        Where to look for data first.

    Returns
    -------
    ShrinkResults
        Figures before and after (fractions, SI units).

    Raises
    ------
    ParameterError
        If the bits do not fit the network, or the run was shrunk already.
    DataError
        If the run has no network or no exit setting, or the data are not those that it was trained on.
    """
    parent = Run.open(path)
    before, asked = _exit_of(parent, settings.platform)
    network: Any = open_network(parent)
    is_deep = not isinstance(network, STDPClassifier)
    form: Any = _form_of(network, settings) if is_deep else _bits_of_stdp(settings)
    tuning = _tuning_of(parent, settings) if settings.finetune else None
    splits = splits_of(parent, data, root)
    kept = {**settings.used, "parent": model_identity(network)["model"]}
    child = Run.start(
        out or path.resolve().with_name(f"{path.resolve().name}-{settings.label}"), kind=parent.record["kind"],
        settings={**parent.record["settings"], "shrink": kept}, seed=settings.seed,
    )  # fmt: skip
    with child.locked():
        if is_learned(child.path):
            small: Any = open_network(child)
            tidy(child.path)
        else:
            child.update(data=parent.record["data"])
            progress = stages(f"shrink {path.name}")
            if is_deep:
                small = _shrink_deep(child, network, form, tuning, splits, settings, progress)
            else:
                small = network.quantized(form, settings.rounding, settings.seed)
                progress(1, 1, "weights rounded")
            small.save(child.path / MODEL_FILE)
            tidy(child.path)
            child.network = small
        record, _ = stop_and_price(
            child, small, splits["validation"], splits["test"], asked, stages(f"stop {child.path.name}"),
            accumulate=accumulation_of(child), look=look_of(child, small, splits["test"]),
        )  # fmt: skip
        return _results(parent, before, child, record, small, asked.platform)


def _exit_of(parent: Run, platform: str | None) -> tuple[ExitFolder, ExitSettings]:
    """The parent's newest exit setting, and what was asked for, which the child shall have as well."""
    if "shrink" in parent.record["settings"]:
        raise ParameterError(
            f"a run must not be shrunk twice; {parent.path} is shrunk. Name the run that it came from."
        )
    newest = parent.newest_exit
    if newest is None:
        raise DataError(
            f"{parent.path} must have an exit setting to be compared; it has none. Run: spikewise exit {parent.path} "
            "--max-drop 0.005"
        )
    asked = newest.record.asked
    asked = asked if platform is None else asked.model_copy(update={"platform": platform})
    check_platform(asked.platform)
    return newest, asked


def _bits_of_stdp(settings: ShrinkSettings) -> int:
    """Bits of a network without labels."""
    given = [key for key in ("membrane_bits", "scale") if getattr(settings, key) is not None]
    given += ["finetune"] * settings.finetune
    if given:
        raise ParameterError(
            f"{given[0]} must be left out for a network without labels, whose potentials have 16 bits and whose "
            "weights share one step. To learn with few bits: spikewise stdp --bits 4."
        )
    if isinstance(settings.bits, Mapping) or settings.is_chosen:
        raise ParameterError(
            f"bits must be one width for a network without labels, which has one layer; got {settings.label}. "
            "Choose one."
        )
    if not 1 <= settings.bits[0] <= _MOST_STDP_BITS:
        raise ParameterError(
            f"bits must lie in 1..{_MOST_STDP_BITS} for a network without labels; got {settings.bits[0]}. "
            "Take 8 or fewer."
        )
    return settings.bits[0]


def _form_of(network: Any, settings: ShrinkSettings) -> FixedFormat:
    """Bits of every layer; the largest ones where they are still to be chosen."""
    require("torch", "deep")
    from spikewise.shrink.format import FixedFormat
    from spikewise.shrink.layers import layer_names

    others: Any = {key: settings.used[key] for key in ("membrane_bits", "scale", "rounding", "seed")}
    if not isinstance(settings.bits, Mapping):
        forms = [FixedFormat(bits, **others) for bits in sorted(settings.bits)]
        return forms[-1]
    names = layer_names(network.model)
    for name in settings.bits:
        if name not in (*names, REST):
            raise unknown_name("layer", name, [*names, REST])
    FixedFormat(settings.bits, **others)  # whether every width is possible, by the names that were given
    rest = settings.bits.get(REST)
    missing = [name for name in names if name not in settings.bits]
    if rest is None and missing:
        raise ParameterError(
            f"bits must name every layer, or rest; got none for {', '.join(missing)}. Add rest=8, say."
        )
    return FixedFormat({name: settings.bits.get(name, rest or 0) for name in names}, **others)


def _tuning_of(parent: Run, settings: ShrinkSettings) -> FitSettings:
    """How to train on: as the parent was trained, with a low learning rate."""
    from spikewise.learn.gradient.settings import FitSettings

    changes = {**_TUNING, "epochs": settings.used["epochs"], "lr": settings.used["lr"], "seed": settings.seed}
    try:
        return FitSettings(**{**parent.record["settings"]["fit"], **changes})
    except (KeyError, TypeError, ValidationError) as error:
        raise DataError(
            f"{parent.path / 'run.json'} must say how the network was trained (settings.fit); {error}. "
            "It was written by another version; shrink it without --finetune."
        ) from None


def _shrink_deep(
    child: Run, network: Any, form: FixedFormat, tuning: FitSettings | None, splits: Mapping[str, ImageSet],
    settings: ShrinkSettings, progress: Progress,
) -> FixedClassifier:  # fmt: skip
    """The network in fixed point, its bits chosen and its weights trained on if that is wanted."""
    from spikewise.shrink.classifier import FixedClassifier
    from spikewise.shrink.tuning import finetune

    train, chosen_on = splits["train"], halves(splits["validation"])[0]
    held_out, typical = (chosen_on.images, chosen_on.labels), train.subset(slice(N_TYPICAL)).images
    form = _chosen(child, network, form, typical, held_out, settings, progress)

    def fixed(steps: Any = None) -> tuple[FixedClassifier, list[float]]:
        small = FixedClassifier.of(network, form, typical, steps)
        return small, small.trace(*held_out).accuracy_by_step().tolist()

    small, accuracy = fixed()
    metrics: dict[str, Any] = {"n_parameters": sum(weights.numel() for weights in network.model.parameters())}
    if tuning is not None:
        result, steps = finetune(
            network.model, form, (train.images, train.labels), held_out, tuning,
            checkpoint=child.path / CHECKPOINT, resume=True, logs=child.path,
            progress=lambda moment: progress(moment.epochs_done, tuning.epochs, f"loss {moment.loss:.3f}"),
        )  # fmt: skip
        tuned, accuracy_tuned = fixed(steps)
        metrics |= {
            "validation_accuracy_untuned": accuracy[-1], "validation_accuracy_tuned": accuracy_tuned[-1],
            "best_epoch": result.best_epoch, "train_loss": [row.loss for row in result.history],
        }  # fmt: skip
        child.update(timings={"train_s": result.seconds})
        if accuracy_tuned[-1] >= accuracy[-1]:
            small, accuracy = tuned, accuracy_tuned
    child.update(metrics={**metrics, "validation_accuracy": accuracy[-1], "validation_accuracy_by_step": accuracy})
    progress(1, 1, f"validation {accuracy[-1]:.2%}")
    return small


def _chosen(
    child: Run, network: Any, form: FixedFormat, typical: Any, held_out: tuple[Any, Any], settings: ShrinkSettings,
    progress: Progress,
) -> FixedFormat:  # fmt: skip
    """The format with the bits of every layer, which the run keeps as soon as they are chosen."""
    from spikewise.shrink.format import FixedFormat
    from spikewise.shrink.sensitivity import choose_bits, evaluator

    if "format" in child.record["metrics"]:  # the run was interrupted after the choice
        return FixedFormat.from_dict(child.record["metrics"]["format"])
    trials: list[dict[str, Any]] = []
    if settings.is_chosen:
        widths: Any = settings.bits
        names, sizes, evaluate = evaluator(network.model, typical, network.n_steps, held_out, network.batch_size)
        form, trials = choose_bits(names, sizes, widths, form, evaluate, settings.used["max_drop"], progress)
    child.update(metrics={"format": form.to_dict(), "trials": trials})
    return form


def _results(
    parent: Run, before: ExitFolder, child: Run, record: ExitRecord, small: Any, platform: str
) -> ShrinkResults:
    load = before.load
    is_deep = not isinstance(small, STDPClassifier)
    if is_deep:  # a network of floats, which the parent priced as if it had the bits that it did not have yet
        load = load.with_bits(FLOAT_BITS)
    metrics = child.record["metrics"]
    tuned = {key: metrics.get(f"validation_accuracy_{key}") for key in ("untuned", "tuned")}
    return ShrinkResults(
        run=str(child.path), parent=str(parent.path), data=parent.record["data"].get("name"),
        settings=child.record["settings"]["shrink"], format=metrics.get("format"), trials=metrics.get("trials", []),
        tuning=None if tuned["tuned"] is None else tuned, exit=record.name,
        before=_column(before.record, load, platform),
        after=_column(record, child.exit(record.name).load, platform, small.channel_bits if is_deep else 0),
        n_test=record.n_test, n_test_evaluations=len(child.record["test_evaluations"]), page=page_of(child, None),
    )  # fmt: skip


def _column(record: ExitRecord, load: Workload, platform: str, channel_bits: int | None = None) -> ShrinkColumn:
    """Accuracy, and what the network costs in the bits of this workload; no cost where it does not fit."""
    try:
        cost = Costs.of(price_all(load, platform))
    except CapacityError:
        cost = None
    return ShrinkColumn(
        record.accuracy_full, record.accuracy_exit, record.mean_steps, load.precision_note(),
        sum(layer.n_weights * layer.weight_bits for layer in load.layers),
        sum(layer.n_neurons * layer.state_bits for layer in load.layers if layer.has_neurons), cost, channel_bits,
    )  # fmt: skip
