"""``spikewise train``: a deep network by gradients, stopped early and priced."""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spikewise.errors import ParameterError, require

from .output import NOTES, emit, first_problem, progress, stages_on

if TYPE_CHECKING:
    from spikewise.data.augment import Augmentation
    from spikewise.data.frames import Binning

_OPTIONS = {
    "batch_size": "--batch", "n_steps": "--steps", "n_steps_min": "--min-steps", "max_drop": "--max-drop",
    "label_smoothing": "--label-smoothing", "v_threshold": "--v-threshold", "clip_norm": "--clip", "precision": "--amp",
    "by": "--bin", "span_us": "--bin span", "crop": "--bin crop", "size": "--bin size",
    "max_shift": "--augment shift", "cutout": "--augment cutout", "mixup": "--augment mixup",
    **{name: f"--{name}" for name in (
        "epochs", "lr", "optimizer", "schedule", "loss", "accumulate", "distill", "ema", "device", "threads", "seed",
        "width", "regularization", "warmup", "growth", "decay", "reset", "surrogate", "gamma", "norm", "pooling",
    )},
}  # fmt: skip


def train(
    data: Annotated[
        str, typer.Option(help="Name of a data set, an .npz file, a folder of class folders or of recordings.")
    ] = "digits",
    model: Annotated[str, typer.Option(help="Architecture: vgg5, vgg7, vgg9, resnet18, ...")] = "vgg7",
    width: Annotated[float, typer.Option(help="Factor on the channels of the architecture.")] = 1.0,
    v_threshold: Annotated[float, typer.Option(help="Potential at which a neuron fires.")] = 1.0,
    decay: Annotated[float, typer.Option(help="Share of a potential that is left after one step.")] = 0.5,
    reset: Annotated[
        str, typer.Option(help="A spike empties the neuron (hard) or takes the threshold (soft).")
    ] = "hard",
    surrogate: Annotated[
        str, typer.Option(help="Slope of the firing step in training: triangle or dspike.")
    ] = "triangle",
    gamma: Annotated[float | None, typer.Option(help="Shape of that slope; 1 of triangle, 3 of dspike.")] = None,
    norm: Annotated[
        str,
        typer.Option(
            help="How normalisation begins: batch, or threshold (tdBN); alike in a VGG if --v-threshold is 1."
        ),
    ] = "batch",
    pooling: Annotated[
        str, typer.Option(help="How a VGG halves its maps, before the neurons: max or average.")
    ] = "max",
    steps: Annotated[int, typer.Option(help="Timesteps T; of recordings, as many frames.")] = 4,
    bin_: Annotated[
        str | None,
        typer.Option(
            "--bin", help="How recordings become frames: by time or count, such as count or time,crop=96,size=48x48."
        ),
    ] = None,
    min_steps: Annotated[
        int | None, typer.Option(help="Draw the timesteps of each update evenly from this many to T.")
    ] = None,
    growth: Annotated[
        float, typer.Option(help="Share of the epochs in which the timesteps grow from 1 to T: cheaper epochs.")
    ] = 0.0,
    loss: Annotated[
        str, typer.Option(help="cumulative (every prefix is right), per_step (TET), or static (the last answer).")
    ] = "cumulative",
    accumulate: Annotated[str, typer.Option(help="Evidence is the mean or the sum of the outputs.")] = "mean",
    regularization: Annotated[float, typer.Option(help="Pull of outputs towards 1, of per_step alone.")] = 0.0,
    distill: Annotated[float, typer.Option(help="Weight of the last answer as teacher of the earlier ones.")] = 0.0,
    label_smoothing: Annotated[float, typer.Option(help="Share of the target spread over all classes.")] = 0.0,
    epochs: Annotated[int, typer.Option(help="Passes over the training images.")] = 16,
    batch: Annotated[int, typer.Option(help="Images per update, over all processes together.")] = 64,
    optimizer: Annotated[str, typer.Option(help="adamw, sgd with Nesterov momentum, or muon.")] = "adamw",
    lr: Annotated[float | None, typer.Option(help="Highest learning rate; by optimiser if absent.")] = None,
    schedule: Annotated[str, typer.Option(help="Course of the learning rate: one_cycle or cosine.")] = "one_cycle",
    warmup: Annotated[float | None, typer.Option(help="Share of all updates in which it rises.")] = None,
    clip: Annotated[float, typer.Option(help="Longest gradient, of all weights together; 0 for any.")] = 0.0,
    augment: Annotated[
        str, typer.Option(help="auto (customary for the data), none, a data set, or shift=4,flip,cutout=16,mixup=0.2.")
    ] = "auto",
    ema: Annotated[float, typer.Option(help="Decay of averaged weights, such as 0.999; 0 for none.")] = 0.0,
    amp: Annotated[
        str, typer.Option(help="Type of activations: auto (bfloat16 if it is native), float32 or bfloat16.")
    ] = "auto",
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ...; auto takes a GPU if there is one.")] = "auto",
    threads: Annotated[int, typer.Option(help="CPU threads; 0 for what torch finds.")] = 0,
    max_drop: Annotated[float, typer.Option(help="Loss of accuracy that early exit may cost, as a fraction.")] = 0.005,
    platform: Annotated[str, typer.Option(help="Platform that the network is priced on.")] = "rram-64-32nm",
    seed: Annotated[int, typer.Option(help="Fixes every random choice.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; runs/DATA-MODEL-SEED if absent.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in that folder.")] = False,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write its event files too.")] = False,
    root: Annotated[Path | None, typer.Option(help="Folder to look for data in first.")] = None,
    watts: Annotated[
        float | None, typer.Option(help="Mean power of this machine from a wattmeter; counters, if any, if absent.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Train a deep network by gradients, stop early and price; with a page."""
    from pydantic import ValidationError

    require("torch", "deep")
    from spikewise.energy.meter import EnergyMeter
    from spikewise.learn.gradient.settings import FitSettings
    from spikewise.report.tables.train import train_table
    from spikewise.workflow.settings.network import NetworkSettings
    from spikewise.workflow.settings.train import TrainSettings
    from spikewise.workflow.train import run_train

    began = time.perf_counter()
    asked: dict[str, Any] = {
        "epochs": epochs, "batch_size": batch, "n_steps": steps, "n_steps_min": min_steps, "growth": growth,
        "optimizer": optimizer, "lr": lr, "schedule": schedule, "warmup": warmup, "clip_norm": clip, "ema": ema,
        "loss": loss, "regularization": regularization, "distill": distill, "accumulate": accumulate,
        "label_smoothing": label_smoothing, "precision": amp, "device": device, "threads": threads, "seed": seed,
    }  # fmt: skip
    network: dict[str, Any] = {
        "model": model, "width": width, "v_threshold": v_threshold, "decay": decay, "reset": reset,
        "surrogate": surrogate, "gamma": gamma, "norm": norm, "pooling": pooling,
    }  # fmt: skip
    try:
        fit_settings = FitSettings(**asked, augment=augmentation_of(augment, data))
        settings = TrainSettings(
            network=NetworkSettings(**network),
            data=data,
            binning=binning_of(bin_),
            max_drop=max_drop,
            platform=platform,
        )
    except ValidationError as error:
        raise first_problem(error, _OPTIONS) from None
    meter = EnergyMeter(watts)
    folder = out or Path("runs") / f"{Path(data).stem}-{model}-{seed}"
    with warnings.catch_warnings(record=True) as caught, progress() as bars:
        warnings.simplefilter("always", UserWarning)
        results = run_train(
            settings, fit_settings, folder, stages_on(bars), root,
            resume=resume, tensorboard=tensorboard, meter=meter,
        )  # fmt: skip
    if not results:  # a process that only helped the first one
        return
    emit(results, train_table(results), as_json=as_json)
    for remark in dict.fromkeys([*(str(each.message) for each in caught), *results.page.remarks]):
        NOTES.print("note:", remark, markup=False, soft_wrap=True)
    page = results.page.report or results.run
    NOTES.print(f"Report: {page}   ({time.perf_counter() - began:.0f} s)", markup=False, soft_wrap=True)


def augmentation_of(words: str, data: str) -> Augmentation:
    """Variants as ``--augment`` names them, for this data set.

    Examples
    --------
    >>> augmentation_of("shift=2,flip", "digits")
    Augmentation(max_shift=2, flip=True, cutout=0, mixup=0.0)
    >>> augmentation_of("auto", "cifar10").max_shift
    4
    """
    from spikewise.data.augment import AUGMENTATIONS, Augmentation
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
    return Augmentation(**found)


def binning_of(words: str | None) -> Binning | None:
    """Frames of recordings as ``--bin`` describes them.

    Examples
    --------
    >>> binning_of("count,size=48")
    Binning(by='count', span_us=None, crop=None, size=(48, 48))
    """
    from spikewise.data.frames import Binning

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
    return Binning(**found)
