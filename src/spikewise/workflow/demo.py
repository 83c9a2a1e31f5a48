"""The main job, end to end, for both kinds of network: learn, stop early, price, report.

A demo is a folder of two runs and one report. Whatever is already in the folder is not done again, so an
interrupted demo is resumed by starting it once more.
"""

from pathlib import Path

from spikewise._files import make_folder, remove_leftovers
from spikewise.data.images import ImageSet, load_splits
from spikewise.energy.meter import EnergyMeter
from spikewise.errors import RunError, require
from spikewise.learn.gradient.settings import FitSettings
from spikewise.price.analysis.companions import Prices, check_platform
from spikewise.runs.exit_record import ExitRecord
from spikewise.runs.folder import Run
from spikewise.runs.results import DemoResults, NetworkOfDemo

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
) -> DemoResults:
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
    DemoResults
        Figures of both (fractions; energy is the mean per image with exit, nominal), and where the report is.
    """
    require("torch", "deep")
    check_platform(settings.platform)
    meter = meter or EnergyMeter()
    splits = _splits(settings.data, root)
    folder = make_folder(out)
    remove_leftovers([folder])
    page = folder / "report.html"
    if page.exists() and not any(folder.glob("*/run.json")):
        raise RunError(
            f"{page} must be of a demo to be replaced; there is none in {folder}. Choose another with --out."
        )
    runs = [learn(settings, folder, splits, stages, meter) for learn in (_deep, _stdp)]
    from spikewise.report.page.page import write_page

    write_page([run for run, _, _ in runs], page, watts=meter.watts)
    deep, stdp = (NetworkOfDemo.of(*found, meter.watts) for found in runs)
    return DemoResults(splits["train"].name, str(folder), deep, stdp, str(page))


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
) -> tuple[Run, ExitRecord, Prices]:
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
    return train_and_stop(asked, path, splits, stages, meter=meter)[1:]


def _stdp(
    settings: DemoSettings, folder: Path, splits: dict[str, ImageSet], stages: Stages, meter: EnergyMeter
) -> tuple[Run, ExitRecord, Prices]:
    asked = STDPSettings(
        data=settings.data,
        n_neurons=settings.n_neurons,
        max_drop=settings.max_drop_stdp,
        platform=settings.platform,
        seed=settings.seed,
    )
    path = folder / f"{splits['train'].name}-stdp{settings.n_neurons}-{settings.seed}"
    return learn_and_stop(asked, path, splits, stages, meter=meter)[1:]
