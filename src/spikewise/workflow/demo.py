"""The main job, end to end, for both kinds of network: learn, stop early, price, report.

A demo is a folder of two runs and one report. Whatever is already in the folder is not done again, so an
interrupted demo is resumed by starting it once more.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from spikewise.data.images import ImageSet, load_splits
from spikewise.errors import require
from spikewise.price.cost import CostReport
from spikewise.price.platform import load_platform
from spikewise.runs import Run, make_folder

from .learn import identify, learn_deep
from .stdp import Stages, STDPSettings, learn_and_stop
from .stop import price_exit, stop_early

if TYPE_CHECKING:
    from spikewise.learn.fit import FitSettings

_ENOUGH_VALIDATION = 350  # images; fewer make the threshold a lottery
_SMALL_SET = 10_000


class DemoSettings(BaseModel):
    """What the demo runs.

    Examples
    --------
    >>> DemoSettings(data="mnist").n_steps
    4
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str = Field("digits", description="Name of a data set, an .npz file or a folder of class folders.")
    model: str = Field("vgg5", description="Architecture of the deep network.")
    width: float | None = Field(None, gt=0, le=8, description="Factor on its channels; by size of the data.")
    n_steps: int = Field(4, ge=1, le=1024, description="Timesteps T of the deep network.")
    epochs: int | None = Field(None, ge=1, le=10_000, description="Epochs of the deep network; by size of the data.")
    n_neurons: int = Field(100, ge=1, le=100_000, description="Neurons of the STDP network.")
    max_drop_deep: float = Field(0.005, ge=0, lt=1, description="Tolerated loss of accuracy of the deep network.")
    max_drop_stdp: float = Field(0.01, ge=0, lt=1, description="Tolerated loss of accuracy of the STDP network.")
    platform: str = Field("rram-64-32nm", description="Platform that the networks are priced on.")
    seed: int = Field(0, ge=0, lt=2**32, description="Fixes every random choice.")


def run_demo(settings: DemoSettings, out: Path, stages: Stages, root: Path | None = None) -> dict[str, Any]:
    """Learn, stop and price both kinds of network, and write one report.

    Parameters
    ----------
    settings : DemoSettings
        What to run.
    out : Path
        Folder of the two runs and ``report.html``.
    stages : callable
        Opens a progress report per stage.
    root : Path, optional
        Where to look for data first.

    Returns
    -------
    dict
        ``deep`` and ``stdp`` figures (fractions; energy is the mean per image with exit, nominal), ``out``, ``report``.
    """
    require("torch", "deep")
    load_platform(settings.platform)  # an unknown name should not cost a training first
    splits = _splits(settings.data, root)
    folder = make_folder(out)
    results: dict[str, Any] = {"data": splits["train"].name, "out": str(folder)}
    results["deep"] = _deep(settings, folder, splits, stages)
    results["stdp"] = _stdp(settings, folder, splits, stages)
    from spikewise.report.page import write_page

    page = folder / "report.html"
    write_page([Run.open(results[kind]["run"]) for kind in ("deep", "stdp")], page)
    results["report"] = str(page)
    return results


def _splits(data: str, root: Path | None) -> dict[str, ImageSet]:
    return load_splits(data, root, min_validation=_ENOUGH_VALIDATION)


def deep_settings(settings: DemoSettings, n_train: int) -> tuple[FitSettings, float]:
    """Training settings and width for this much data: many passes over few images, few over many."""
    from spikewise.learn.fit import FitSettings

    epochs, batch_size, width = (20, 64, 1.0) if n_train < _SMALL_SET else (3, 128, 0.5)
    fit_settings = FitSettings(
        epochs=settings.epochs or epochs, batch_size=batch_size, n_steps=settings.n_steps, seed=settings.seed
    )
    return fit_settings, settings.width or width


def _deep(settings: DemoSettings, folder: Path, splits: dict[str, ImageSet], stages: Stages) -> dict[str, Any]:
    train, validation, test = (splits[name] for name in ("train", "validation", "test"))
    fit_settings, width = deep_settings(settings, train.n_samples)
    path = folder / f"{train.name}-{settings.model}-{settings.seed}"
    run = Run.start(
        path,
        kind="deep",
        settings={"data": identify(splits), "model": settings.model, "width": width, "fit": fit_settings.model_dump()},
        seed=settings.seed,
    )
    with run.locked():
        title = f"{settings.model} on {train.name}"
        progress = stages(f"train {title}")
        network = learn_deep(run, train, validation, fit_settings, progress, model=settings.model, width=width)
        found = stop_early(
            run, network, validation, test, max_drop=settings.max_drop_deep, accumulate=fit_settings.accumulate
        )
        cost = price_exit(run, settings.max_drop_deep, settings.platform)
    return {"run": str(path), "accuracy_static": found["accuracy_full"], **_figures(found, cost)}


def _stdp(settings: DemoSettings, folder: Path, splits: dict[str, ImageSet], stages: Stages) -> dict[str, Any]:
    asked = STDPSettings(
        data=settings.data,
        n_neurons=settings.n_neurons,
        max_drop=settings.max_drop_stdp,
        platform=settings.platform,
        seed=settings.seed,
    )
    path = folder / f"{splits['train'].name}-stdp{settings.n_neurons}-{settings.seed}"
    _, run, found, cost = learn_and_stop(asked, path, splits, stages)
    return {"run": str(run.path), "accuracy_full": found["accuracy_full"], **_figures(found, cost)}


def _figures(found: dict[str, Any], cost: CostReport) -> dict[str, Any]:
    return {
        **{key: found[key] for key in ("accuracy_exit", "accuracy_random_exit", "mean_steps", "n_steps", "n_test")},
        **{key: getattr(cost, key) for key in ("energy_j", "latency_s", "area_m2", "memory_bits", "edp_saving")},
        "platform": cost.platform,
    }
