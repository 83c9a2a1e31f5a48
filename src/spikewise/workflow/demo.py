"""The main job, end to end, for both kinds of network: learn, stop early, price, report.

A demo is a folder of two runs and one report. Whatever is already in the folder is not done again, so an
interrupted demo is resumed by starting it once more.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spikewise._files import make_folder, remove_leftovers
from spikewise.data.images import ImageSet, load_splits
from spikewise.energy.meter import EnergyMeter
from spikewise.errors import require
from spikewise.learn.gradient.settings import FitSettings
from spikewise.price.analysis.companions import Prices, all_figures_of, platforms_for
from spikewise.runs.folder import Run
from spikewise.runs.results import measured_figures

from .learn import ENOUGH_VALIDATION
from .settings.demo import DemoSettings
from .settings.network import NetworkSettings
from .settings.stdp import STDPSettings
from .settings.train import TrainSettings
from .stdp import Stages, learn_and_stop
from .train import train_and_stop

_SMALL_SET = 10_000


def run_demo(
    settings: DemoSettings, out: Path, stages: Stages, root: Path | None = None, meter: EnergyMeter | None = None
) -> dict[str, Any]:
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
    meter : EnergyMeter, optional
        Measures energy; by default with the counters that this machine has. If it was given watts, they also turn the
        seconds of runs that are there already into joules.

    Returns
    -------
    dict
        ``deep`` and ``stdp`` figures (fractions; energy is the mean per image with exit, nominal; ``beside`` has the
        same for the companions of the platform, ``measured`` what the machine took), ``out``, ``report``.
    """
    require("torch", "deep")
    platforms_for(settings.platform)  # an unknown name should not cost a training first
    meter = meter or EnergyMeter()
    splits = _splits(settings.data, root)
    folder = make_folder(out)
    remove_leftovers([folder])
    results: dict[str, Any] = {"data": splits["train"].name, "out": str(folder)}
    results["deep"] = _deep(settings, folder, splits, stages, meter)
    results["stdp"] = _stdp(settings, folder, splits, stages, meter)
    from spikewise.report.page.page import write_page

    page = folder / "report.html"
    write_page([Run.open(results[kind]["run"]) for kind in ("deep", "stdp")], page, watts=meter.watts)
    results["report"] = str(page)
    return results


def _splits(data: str, root: Path | None) -> dict[str, ImageSet]:
    return load_splits(data, root, min_validation=ENOUGH_VALIDATION)


def deep_settings(settings: DemoSettings, n_train: int) -> tuple[FitSettings, float]:
    """Training settings and width for this much data: many passes over few images, few over many."""
    epochs, batch_size, width = (20, 64, 1.0) if n_train < _SMALL_SET else (3, 128, 0.5)
    # Few images are learned as fast by one thread, and threads that wait for each other take minutes on a busy machine.
    threads = 1 if n_train < _SMALL_SET else 0
    fit_settings = FitSettings(
        epochs=settings.epochs or epochs,
        batch_size=batch_size,
        n_steps=settings.n_steps,
        seed=settings.seed,
        threads=threads,
    )
    return fit_settings, settings.width or width


def _deep(
    settings: DemoSettings, folder: Path, splits: dict[str, ImageSet], stages: Stages, meter: EnergyMeter
) -> dict[str, Any]:
    train = splits["train"]
    fit_settings, width = deep_settings(settings, train.n_samples)
    path = folder / f"{train.name}-{settings.model}-{settings.seed}"
    asked = TrainSettings(
        data=settings.data,
        network=NetworkSettings(model=settings.model, width=width),
        max_drop=settings.max_drop_deep,
        platform=settings.platform,
        fit=fit_settings,
    )
    _, run, found, prices = train_and_stop(asked, path, splits, stages, meter=meter)
    return {"accuracy_static": found["accuracy_full"], **_figures(run, found, prices, meter.watts)}


def _stdp(
    settings: DemoSettings, folder: Path, splits: dict[str, ImageSet], stages: Stages, meter: EnergyMeter
) -> dict[str, Any]:
    asked = STDPSettings(
        data=settings.data,
        n_neurons=settings.n_neurons,
        max_drop=settings.max_drop_stdp,
        platform=settings.platform,
        seed=settings.seed,
    )
    path = folder / f"{splits['train'].name}-stdp{settings.n_neurons}-{settings.seed}"
    _, run, found, prices = learn_and_stop(asked, path, splits, stages, meter=meter)
    return {"accuracy_full": found["accuracy_full"], **_figures(run, found, prices, meter.watts)}


def _figures(run: Run, found: dict[str, Any], prices: Prices, watts: float | None) -> dict[str, Any]:
    return {
        "run": str(run.path),
        **{key: found[key] for key in ("accuracy_exit", "accuracy_random_exit", "mean_steps", "n_steps", "n_test")},
        **all_figures_of(prices),
        "measured": measured_figures(run, found["name"], watts),
    }
