"""The main job with gradients: train a deep network, stop early, and price it, in one run folder.

What is already there is not done again, so that a run that was interrupted at any point goes on from there and ends in
the same bits. The best epoch and the threshold are chosen on validation images; the test images are looked at once.
"""

from collections.abc import Mapping
from pathlib import Path

from spikewise.data.binning import Binning
from spikewise.data.images import ImageSet, load_splits
from spikewise.dynamic.anytime import AnytimeClassifier
from spikewise.energy.measurement import measured_of
from spikewise.energy.meter import EnergyMeter
from spikewise.errors import ParameterError, require
from spikewise.price.analysis.companions import Prices, check_platform
from spikewise.runs.exit_record import ExitRecord
from spikewise.runs.folder import Run
from spikewise.runs.names import CHECKPOINT
from spikewise.runs.results import Controls, Costs, DataFigures, ExitFigures, Page, TrainingFigures, TrainResults

from .early_exit import stop_and_price
from .folder import is_new, nothing_to_resume, page_of
from .learn import ENOUGH_VALIDATION, identify, is_learned, learn_deep
from .settings.train import TrainSettings
from .stdp import Stages
from .threshold import halves


def run_train(
    settings: TrainSettings,
    out: Path,
    stages: Stages,
    root: Path | None = None,
    *,
    resume: bool = False,
    tensorboard: bool = False,
    meter: EnergyMeter | None = None,
) -> TrainResults | None:
    """Train by gradients, stop early and price, with a page.

    Of several processes that a launcher started, the first one does all of it and the others help it to train.

    Parameters
    ----------
    settings : TrainSettings
        What to run.
    out : Path
        Folder of the run.
    stages : callable
        Opens a progress report per stage.
    root : Path, optional
        Where to look for data first.
    resume : bool
        Whether to go on with the run that is there.
    tensorboard : bool
        Whether to write event files of TensorBoard beside ``training.csv``.
    meter : EnergyMeter, optional
        Measures energy; by default with the counters that this machine has.

    Returns
    -------
    TrainResults or None
        All figures (fractions, SI units); None of a process that helped.

    Raises
    ------
    RunError
        If the folder holds a run and ``resume`` is false, or a run with other settings or data.
    """
    require("torch", "deep")
    from spikewise.learn.gradient.device import choose_device
    from spikewise.learn.gradient.parallel import this_process
    from spikewise.network.spec import check_model_name

    check_platform(settings.platform)
    check_model_name(settings.network.model)
    process = this_process()
    choose_device(settings.fit.device, process.local_rank)
    splits = load_splits(
        settings.data, root,
        min_validation=ENOUGH_VALIDATION, n_steps=settings.fit.n_steps, binning=settings.binning,
    )  # fmt: skip
    settings = settings.model_copy(update={"binning": _binning_of(settings, splits["train"])})
    if not process.is_main:
        _help(settings, out, splits)
        return None
    is_missed = is_new(out, resume) and resume
    meter = meter or EnergyMeter()
    _, run, record, prices = train_and_stop(settings, out, splits, stages, tensorboard=tensorboard, meter=meter)
    with run.locked():
        page = page_of(run, meter.watts, *nothing_to_resume(out, is_missed))
        return _results(settings, run, record, prices, page, meter.watts)


def train_and_stop(
    settings: TrainSettings,
    path: Path,
    splits: Mapping[str, ImageSet],
    stages: Stages,
    *,
    tensorboard: bool = False,
    meter: EnergyMeter | None = None,
) -> tuple[AnytimeClassifier, Run, ExitRecord, Prices]:
    """Train, stop early and price in one run folder; goes on from what is there.

    Returns
    -------
    SpikingClassifier, Run, ExitRecord, Prices
        The trained network, its run, its exit setting, and the prices of that.
    """
    train, validation, test = (splits[name] for name in ("train", "validation", "test"))
    # Before there is a folder: a wrong name or size should leave none behind.
    spec = settings.network.spec(train.shape, train.n_classes)
    asked = {
        "data": identify(splits), "network": spec.to_dict(), "fit": settings.fit.of_the_result,
    }  # fmt: skip
    if settings.binning is not None:
        asked["binning"] = settings.binning.model_dump()
    run = Run.start(path, kind="deep", settings=asked, seed=settings.fit.seed)
    with run.locked():
        title = f"{spec.name} on {train.name}"
        network = learn_deep(
            run, train, validation, settings.network, settings.fit, stages(f"train {title}"),
            tensorboard=tensorboard, meter=meter,
        )  # fmt: skip
        record, prices = stop_and_price(
            run, network, validation, test, settings.exit, stages(f"stop {title}"),
            accumulate=settings.fit.accumulate, meter=meter,
        )  # fmt: skip
    return network, run, record, prices


def _binning_of(settings: TrainSettings, train: ImageSet) -> Binning | None:
    """How the frames of these data were made; None of pictures."""
    if train.n_frames is not None:
        return settings.binning or Binning()
    if settings.binning is not None:
        raise ParameterError(f"binning must be left out; {train.name} holds pictures. It is for event recordings.")
    return None


def _help(settings: TrainSettings, out: Path, splits: Mapping[str, ImageSet]) -> None:
    """Compute this process's share of every batch; the first process keeps what comes of it."""
    from spikewise.learn.gradient.fit import fit

    if is_learned(out):
        return
    train, validation = splits["train"], splits["validation"]
    network = settings.network.build(train, settings.fit.seed)
    learned_from, chosen_on = ((images.images, images.labels) for images in (train, halves(validation)[0]))
    fit(network, learned_from, chosen_on, settings.fit, checkpoint=out / CHECKPOINT, resume=True)


def _results(
    settings: TrainSettings, run: Run, record: ExitRecord, prices: Prices, page: Page,
    watts: float | None,
) -> TrainResults:  # fmt: skip
    data, metrics, versions = (run.record[section] for section in ("data", "metrics", "versions"))
    seconds, n_epochs = run.entry("timings", "train_s"), run.entry("metrics", "n_epochs")
    return TrainResults(
        run=str(run.path),
        data=DataFigures(
            **{key: run.entry("data", key) for key in ("name", "n_train", "n_validation")}, n_test=record.n_test
        ),
        settings=settings.network.model_dump()
        | settings.model_dump(exclude={"data", "network", "fit"})
        | settings.fit.resolved,
        n_parameters=run.entry("metrics", "n_parameters"), best_epoch=run.entry("metrics", "best_epoch"),
        training=TrainingFigures(
            seconds, n_epochs * data["n_train"] / seconds, versions["device"], versions["precision"],
            versions["torch_threads"],
        ),
        validation_accuracy=metrics["validation_accuracy"],
        validation_accuracy_by_step=metrics["validation_accuracy_by_step"],
        accuracy=record.accuracy_full, accuracy_by_step=metrics["accuracy_by_step"], exit=ExitFigures.of(record),
        controls=Controls.of(record), cost=Costs.of(prices), measured=measured_of(run, record.name, watts),
        n_test_evaluations=len(run.record["test_evaluations"]), page=page,
    )  # fmt: skip
