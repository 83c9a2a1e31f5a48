"""Fewer bits for a run that is there: a child run with the network in fixed point, stopped and priced as its parent.

What the bits of each layer are chosen by, and what fine-tuning learns from, are training and validation images; the
test images are looked at once, as by every run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from spikewise.data.images import ImageSet
from spikewise.dynamic.identity import model_identity
from spikewise.errors import ParameterError, require, unknown_name
from spikewise.fixed_point import Rounding
from spikewise.learn.stdp import STDPClassifier
from spikewise.price.prices import Prices, all_figures_of, price_all
from spikewise.runs import MODEL_FILE, WORKLOAD_FILE, Run
from spikewise.workload import Workload

from .choose import ExitSettings, halves
from .exit import accumulation_of, look_of, splits_of
from .folder import page_of
from .learn import CHECKPOINT, Progress, is_learned, open_network
from .stop import stop_and_price

if TYPE_CHECKING:
    from spikewise.shrink.classifier import FixedClassifier
    from spikewise.shrink.format import FixedFormat

REST = "rest"
_N_TYPICAL = 512  # training images that show how large potentials become
_FLOAT_BITS = 32
_MOST_STDP_BITS = 8
_TUNING = {"growth": 0.0, "ema": 0.0, "n_steps_min": None, "optimizer": "adamw", "weight_decay": 0.0}


class ShrinkSettings(BaseModel):
    """What a network shall be shrunk to.

    Examples
    --------
    >>> ShrinkSettings(bits=(8, 4)).is_chosen, ShrinkSettings(bits={"conv1": 8, "rest": 4}).label
    (True, 'conv1-8-rest-4')
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    bits: tuple[int, ...] | dict[str, int] = Field(
        (8,), description="One width for all weights; several to choose from for each layer; or a width by layer."
    )
    membrane_bits: int = Field(16, ge=4, le=16, description="Bits of a membrane potential, of deep networks.")
    scale: str = Field("channel", description="A step per output channel, or power2: one power of two per layer.")
    rounding: Rounding = Field("nearest", description="Of the weights: nearest, truncate or stochastic.")
    finetune: bool = Field(False, description="Whether to train on with rounded weights.")
    epochs: int = Field(2, ge=1, le=10_000, description="Epochs of that.")
    lr: float = Field(5e-4, gt=0, le=10, description="Highest learning rate of that.")
    max_drop: float = Field(0.005, ge=0, lt=1, description="Loss of accuracy that choosing widths may cost.")
    seed: int = Field(0, ge=0, lt=2**32, description="Of stochastic rounding, and of the order of the data.")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        widths = self.bits.values() if isinstance(self.bits, Mapping) else self.bits
        if not widths:
            raise ValueError("bits must name a width; got none")
        return self

    @property
    def is_chosen(self) -> bool:
        """Whether each layer gets bits of its own, by how much it minds."""
        return not isinstance(self.bits, Mapping) and len(set(self.bits)) > 1

    @property
    def label(self) -> str:
        """Ending of the child's name."""
        if isinstance(self.bits, Mapping):
            return "-".join(f"{name}-{bits}" for name, bits in self.bits.items())
        return "-".join(map(str, self.bits)) + "bit"


def run_shrink(
    path: Path,
    settings: ShrinkSettings,
    stages: Callable[[str], Progress],
    *,
    out: Path | None = None,
    platform: str | None = None,
    data: str | None = None,
    root: Path | None = None,
) -> dict[str, Any]:
    """Make a child run in fixed point; goes on from what is there.

    Parameters
    ----------
    path : Path
        Folder of a run whose network is trained.
    settings : ShrinkSettings
        Which bits.
    stages : callable
        Opens a progress report per stage.
    out : Path, optional
        Folder of the child; that of the parent with the bits behind it if absent.
    platform : str, optional
        Platform that both are priced on; the parent's last one if absent.
    data : str, optional
        Where the data of the run are; by the name in its record if absent.
    root : Path, optional
        Where to look for data first.

    Returns
    -------
    dict
        Figures before and after (fractions, SI units), ready for JSON.

    Raises
    ------
    ParameterError
        If the bits do not fit the network, or the run was shrunk already.
    DataError
        If the run has no network, or the data are not those that it was trained on.
    """
    parent = Run.open(path)
    if "shrink" in parent.record["settings"]:
        raise ParameterError(
            f"a run must not be shrunk twice; {path} is {parent.record['settings']['shrink']['bits']}."
        )
    network: Any = open_network(parent)
    is_deep = not isinstance(network, STDPClassifier)
    form: Any = _form_of(network, settings) if is_deep else _bits_of_stdp(settings)
    asked = _exit_of(parent, platform)
    splits = splits_of(parent, data, root)
    kept = {**settings.model_dump(), "parent": model_identity(network)["model"]}
    child = Run.start(
        out or path.resolve().with_name(f"{path.resolve().name}-{settings.label}"), kind=parent.record["kind"],
        settings={**parent.record["settings"], "shrink": kept}, seed=settings.seed,
    )  # fmt: skip
    with child.locked():
        if is_learned(child.path):
            small: Any = open_network(child)
        else:
            child.update(data=parent.record["data"])
            progress = stages(f"shrink {path.name}")
            if not is_deep:
                small = network.quantized(form, settings.rounding)
                progress(1, 1, "weights rounded")
            else:
                small = _shrink_deep(child, network, form, splits, settings, progress)
            small.save(child.path / MODEL_FILE)
            (child.path / CHECKPOINT).unlink(missing_ok=True)
        found, prices = stop_and_price(
            child, small, splits["validation"], splits["test"], asked, stages(f"stop {child.path.name}"),
            accumulate=accumulation_of(child), look=look_of(child, small, splits["test"]),
        )  # fmt: skip
        return _figures(parent, child, found, prices) | page_of(child, None)


def _exit_of(parent: Run, platform: str | None) -> ExitSettings:
    """The parent's newest exit setting, which the child shall have as well."""
    exits = list(parent.record["metrics"].get("exits", {}).values())
    asked = ExitSettings(**exits[-1]["asked"]) if exits else ExitSettings(max_drop=0.005)
    return asked if platform is None else asked.model_copy(update={"platform": platform})


def _bits_of_stdp(settings: ShrinkSettings) -> int:
    """Bits of a network without labels."""
    if isinstance(settings.bits, Mapping) or settings.is_chosen or settings.finetune:
        raise ParameterError(
            "bits must be one width, without fine-tuning, for a network without labels, which has one layer; got "
            f"{settings.label}. To learn with few bits: spikewise stdp --bits 4."
        )
    if settings.bits[0] > _MOST_STDP_BITS:
        raise ParameterError(
            f"bits must be at most {_MOST_STDP_BITS} for a network without labels; got {settings.bits[0]}."
        )
    return settings.bits[0]


def _form_of(network: Any, settings: ShrinkSettings) -> FixedFormat:
    """Bits of every layer; the largest ones where they are still to be chosen."""
    require("torch", "deep")
    from spikewise.shrink.format import FixedFormat
    from spikewise.shrink.layers import layer_names

    others: Any = settings.model_dump(include={"membrane_bits", "scale", "rounding", "seed"})
    if not isinstance(settings.bits, Mapping):
        forms = [FixedFormat(bits, **others) for bits in sorted(settings.bits)]
        return forms[-1]
    names = layer_names(network.model)
    for name in settings.bits:
        if name not in (*names, REST):
            raise unknown_name("layer", name, [*names, REST])
    rest = settings.bits.get(REST)
    missing = [name for name in names if name not in settings.bits]
    if rest is None and missing:
        raise ParameterError(f"bits must name every layer, or rest; got none for {', '.join(missing)}.")
    return FixedFormat({name: settings.bits.get(name, rest or 0) for name in names}, **others)


def _shrink_deep(
    child: Run, network: Any, form: FixedFormat, splits: Mapping[str, ImageSet], settings: ShrinkSettings,
    progress: Progress,
) -> FixedClassifier:  # fmt: skip
    """The network in fixed point, its bits chosen and its weights trained on if that is wanted."""
    from spikewise.learn.settings import FitSettings
    from spikewise.shrink.classifier import FixedClassifier
    from spikewise.shrink.convert import shrink_network
    from spikewise.shrink.sensitivity import choose_bits, evaluator
    from spikewise.shrink.tuning import finetune

    train, chosen_on = splits["train"], halves(splits["validation"])[0]
    held_out, typical = (chosen_on.images, chosen_on.labels), train.subset(slice(_N_TYPICAL)).images
    trials: list[dict[str, Any]] = []
    if settings.is_chosen:
        assert not isinstance(settings.bits, Mapping)
        names, sizes, evaluate = evaluator(network.model, typical, network.n_steps, held_out, network.batch_size)
        form, trials = choose_bits(names, sizes, settings.bits, form, evaluate, settings.max_drop, progress)
    model, steps = network.model, None
    if settings.finetune:
        fit_settings = FitSettings(
            **{**child.record["settings"]["fit"], **_TUNING, "epochs": settings.epochs, "lr": settings.lr,
               "seed": settings.seed}
        )  # fmt: skip
        result, steps = finetune(
            model, form, (train.images, train.labels), held_out, fit_settings,
            checkpoint=child.path / CHECKPOINT, resume=True, logs=child.path,
            progress=lambda moment: progress(moment.epochs_done, settings.epochs, f"loss {moment.loss:.3f}"),
        )  # fmt: skip
        child.update(timings={"train_s": result.seconds})
    fixed = shrink_network(model, form, typical, network.n_steps, steps)
    small = FixedClassifier(fixed, form, network.n_steps, network.class_names)
    accuracy = small.trace(*held_out).accuracy_by_step()
    child.update(
        metrics={
            "n_parameters": sum(weights.numel() for weights in model.parameters()),
            "validation_accuracy": float(accuracy[-1]), "validation_accuracy_by_step": accuracy.tolist(),
            "format": form.to_dict(), "trials": trials,
        }
    )  # fmt: skip
    progress(1, 1, f"validation {accuracy[-1]:.2%}")
    return small


def _figures(parent: Run, child: Run, found: Mapping[str, Any], prices: Prices) -> dict[str, Any]:
    name, platform = found["name"], prices[0].platform
    before = parent.record["metrics"].get("exits", {}).get(name)
    columns = {"shrunk": _column(found, Workload.read(child.exit_folder(name) / WORKLOAD_FILE), platform)}
    if before is not None:
        load = Workload.read(parent.exit_folder(name) / WORKLOAD_FILE)
        floats = replace(
            load, layers=tuple(replace(each, weight_bits=_FLOAT_BITS, state_bits=_FLOAT_BITS) for each in load.layers)
        )
        columns = {
            "floats": _column(before, floats, platform), "parent": _column(before, load, platform), **columns
        }  # fmt: skip
    return {
        "run": str(child.path),
        "parent": str(parent.path),
        "data": parent.record["data"].get("name"),
        "settings": child.record["settings"]["shrink"],
        "format": child.record["metrics"].get("format"),
        "trials": child.record["metrics"].get("trials", []),
        "exit": name,
        "platform": platform,
        "columns": columns,
        "n_test": found["n_test"],
        "n_test_evaluations": len(child.record["test_evaluations"]),
    }


def _column(found: Mapping[str, Any], load: Workload, platform: str) -> dict[str, Any]:
    """Accuracy, and what the network costs in the bits of this workload."""
    cost = all_figures_of(price_all(load, platform))
    weights = sum(layer.n_weights * layer.weight_bits for layer in load.layers)
    states = sum(layer.n_neurons * layer.state_bits for layer in load.layers if layer.has_neurons)
    return {
        "accuracy": found["accuracy_full"], "accuracy_exit": found["accuracy_exit"],
        "mean_steps": found["mean_steps"], "precision": load.precision_note(),
        "weight_bits": weights, "state_bits": states,
        "energy_j": cost["energy_j"], "latency_s": cost["latency_s"], "area_m2": cost["area_m2"],
    }  # fmt: skip
