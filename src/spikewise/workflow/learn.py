"""First stage of a run: learn, with gradients or without labels, and keep the network in the folder.

The network is saved last, so that its file says that the stage is complete; a stage that was killed before
goes on from its checkpoint.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from spikewise.data.images import ImageSet
from spikewise.dynamic.anytime import TrainedClassifier
from spikewise.energy.meter import EnergyMeter
from spikewise.errors import DataError, ParameterError, require
from spikewise.runs.folder import Run
from spikewise.runs.names import CHECKPOINT, MODEL_FILE

if TYPE_CHECKING:
    from spikewise.learn.gradient.fit import Moment
    from spikewise.learn.gradient.settings import FitSettings
    from spikewise.learn.stdp.classifier import STDPClassifier

    from .energy import LearningMeter
    from .settings.network import NetworkSettings

_Learned = TypeVar("_Learned", bound=TrainedClassifier)

Progress = Callable[[float, int, str], None]
"""Called with what is done, what there is to do, and a remark."""

ENOUGH_VALIDATION, MUCH_VALIDATION = 350, 10_000
"""Images to choose a threshold on, where there are as many: for networks whose training costs more, and less."""


def learn_deep(
    run: Run,
    train: ImageSet,
    validation: ImageSet,
    network: NetworkSettings,
    settings: FitSettings,
    progress: Progress,
    *,
    tensorboard: bool = False,
    meter: EnergyMeter | None = None,
) -> TrainedClassifier:
    """Train a deep spiking network by gradients; goes on from its last checkpoint if it was interrupted.

    Parameters
    ----------
    run : Run
        Receives the network, the training history, the validation accuracy, and what training took.
    train, validation : ImageSet
        Images to learn from, and images kept out; the best epoch is chosen on the first half of these, or on all of
        them if they are few.
    network : NetworkSettings
        What to train.
    settings : FitSettings
        How to train.
    progress : callable
        Called about every second.
    tensorboard : bool
        Whether to write event files of TensorBoard beside ``training.csv``.
    meter : EnergyMeter, optional
        Measures energy; by default with the counters that this machine has.
    """
    if is_learned(run.path):
        there_already = open_network(run)
        tidy(run.path)  # a checkpoint goes only when the network could be read
        progress(1, 1, "was there already")
        return there_already
    torch = require("torch", "deep")
    from spikewise.learn.gradient.fit import fit
    from spikewise.network.classifier import SpikingClassifier

    from .energy import LearningMeter
    from .threshold import halves

    chosen_on, _ = halves(validation)
    model = network.build(train, settings.seed)
    meter = meter or EnergyMeter()
    with meter:
        clock = _EpochClock(progress, LearningMeter(run, meter, run.path / CHECKPOINT), settings, train.n_samples)
        result = fit(
            model,
            (train.images, train.labels),
            (chosen_on.images, chosen_on.labels),
            settings,
            checkpoint=run.path / CHECKPOINT,
            resume=True,
            progress=clock,
            logs=run.path,
            tensorboard=tensorboard,
        )
        measured = clock.measure.finish(settings.epochs * train.n_samples)
    classifier = SpikingClassifier(model, settings.n_steps, train.classes)
    run.update(
        data={**_describe(train, validation), "epoch_chosen_on": chosen_on.sha256, "n_chosen_on": chosen_on.n_samples},
        metrics={
            "n_parameters": sum(p.numel() for p in model.parameters()),
            "n_epochs": result.n_epochs,
            "best_epoch": result.best_epoch,
            "validation_accuracy": result.best_validation_accuracy,
            "validation_accuracy_by_step": list(result.best.accuracy_by_step),
            "train_loss": [row.loss for row in result.history],
        },
        timings={"train_s": result.seconds},
        measured=measured,
        versions={  # they decide the last bits
            "torch_threads": settings.threads or torch.get_num_threads(),
            "device": result.device,
            "precision": result.precision,
        },
    )
    return _kept(run, classifier)


def learn_stdp(
    run: Run,
    train: ImageSet,
    validation: ImageSet,
    settings: Mapping[str, Any],
    progress: Progress,
    *,
    n_jobs: int | None = None,
    meter: EnergyMeter | None = None,
) -> STDPClassifier:
    """Learn without labels, then label the neurons; validation images take part in neither.

    Parameters
    ----------
    run : Run
        Receives the network, its health, and what learning and labelling took.
    train, validation : ImageSet
        Images to learn from, and images kept out of learning and labelling.
    settings : mapping
        Keywords of :class:`~spikewise.learn.stdp.STDPClassifier` that decide what is learned.
    progress : callable
        Called after every few hundred samples.
    n_jobs : int, optional
        Threads, of which the result does not depend.
    meter : EnergyMeter, optional
        Measures energy; by default with the counters that this machine has.
    """
    if is_learned(run.path):
        there: Any = open_network(run)
        tidy(run.path)
        progress(1, 1, "was there already")
        return there.set_params(n_jobs=n_jobs)  # type: ignore[no-any-return]
    from spikewise.learn.stdp.checkpoint import samples_learned
    from spikewise.learn.stdp.classifier import STDPClassifier

    from .energy import LearningMeter

    meter = meter or EnergyMeter()
    classifier = STDPClassifier(**settings, n_jobs=n_jobs)
    with meter:
        measure = LearningMeter(run, meter, run.path / CHECKPOINT)
        clock = _LearningClock(progress, measure, samples_learned(run.path / CHECKPOINT))
        classifier.fit(train.images, train.labels, progress=clock, checkpoint=run.path / CHECKPOINT)
        health, n_presentations = classifier.encoder_.health_, classifier.encoder_.n_presentations_
        seconds, measured = clock.seconds(), measure.finish(n_presentations, train.n_samples)
    progress(n_presentations, n_presentations, "samples, labelled")
    run.update(
        data=_describe(train, validation),
        metrics={
            "n_presentations": n_presentations,
            "validation_accuracy": float(classifier.score(validation.images, validation.labels)),
            "spikes_per_sample": health.spikes_per_sample,
            "silent_share": health.silent_share,
            "live_share": health.live_share,
            "mean_theta_mv": health.theta_mean,
            "theta_spread": health.theta_spread,
        },
        timings=seconds,
        measured=measured,
    )
    return _kept(run, classifier)


def _kept(run: Run, classifier: _Learned) -> _Learned:
    """Save what was learned; the checkpoint goes when the network is there."""
    classifier.save(run.path / MODEL_FILE)
    tidy(run.path)
    run.network = classifier
    return classifier


class _EpochClock:
    """Shows progress of gradient training, and measures how much energy each piece of it takes."""

    def __init__(self, progress: Progress, measure: LearningMeter, settings: FitSettings, n_samples: int) -> None:
        self.progress, self.measure, self.settings, self.n_samples = progress, measure, settings, n_samples
        self.position: int | None = None
        self.validated = ""

    def __call__(self, moment: Moment) -> None:
        done = round(moment.epochs_done * self.n_samples)
        if self.position is None:  # where training begins or goes on
            self.position = done
            return
        self.measure.piece(self.position, done)
        self.position = done
        if moment.record is not None:
            self.validated = f", validation {moment.record.validation_accuracy:.2%}"
        self.progress(moment.epochs_done, self.settings.epochs, f"loss {moment.loss:.3f}{self.validated}")


class _LearningClock:
    """Shows progress, and measures how long learning takes in all and per sample, and how much energy.

    The first report is the start for the time per sample: what lies before it (compiling, reading the data) is not
    learning, and samples before an interruption took another process's time.
    """

    def __init__(self, progress: Progress, measure: LearningMeter, position: int) -> None:
        self.progress, self.measure, self.position = progress, measure, position
        self.began = self.last = time.perf_counter()
        self.first: tuple[int, float] | None = None
        self.latest = (0, time.process_time())

    def __call__(self, done: int, total: int) -> None:
        self.last, self.latest = time.perf_counter(), (done, time.process_time())
        if self.first is None:
            self.first = self.latest
        self.measure.piece(self.position, done)
        self.position = done
        self.progress(done, total, "samples" if done < total else "samples, labelling")

    def seconds(self) -> dict[str, float]:
        """Wall time of learning and labelling; CPU time of all threads per sample, if there were enough to tell."""
        found = {"train_s": self.last - self.began, "label_s": time.perf_counter() - self.last}
        n_timed = self.latest[0] - self.first[0] if self.first else 0
        if self.first and n_timed:
            found["train_cpu_s_per_sample"] = (self.latest[1] - self.first[1]) / n_timed
        return found


def identify(splits: Mapping[str, ImageSet]) -> dict[str, str]:
    """Name and content of the data: a run goes on with no other."""
    return {"name": splits["train"].name, **{f"{split}_sha256": images.sha256 for split, images in splits.items()}}


def is_learned(folder: Path) -> bool:
    """Whether the network of a run is there."""
    return (folder / MODEL_FILE).exists()


def tidy(folder: Path) -> None:
    """Remove a checkpoint beside a finished network: the leftover of a kill in between."""
    (folder / CHECKPOINT).unlink(missing_ok=True)


def open_network(run: Run) -> TrainedClassifier:
    """The trained network of a run, whichever kind it is; read once."""
    if run.network is None:
        run.network = _opened(run)
    return run.network


def _opened(run: Run) -> TrainedClassifier:
    kind = run.record["kind"]
    if kind in ("stdp", "deep") and not (run.path / MODEL_FILE).exists():
        raise DataError(
            f"{run.path} must hold a trained network; it has none yet. Go on with its training (--resume) first."
        )
    if kind == "stdp":
        from spikewise.learn.stdp.classifier import STDPClassifier

        return STDPClassifier.load(run.path / MODEL_FILE)
    if kind == "deep":
        require("torch", "deep")
        if "shrink" in run.record["settings"]:
            from spikewise.shrink.classifier import FixedClassifier

            return FixedClassifier.load(run.path / MODEL_FILE)
        from spikewise.network.classifier import SpikingClassifier

        return SpikingClassifier.load(run.path / MODEL_FILE)
    raise ParameterError(f"a run must be of kind deep or stdp; got {kind!r}. Was it written by a newer version?")


def _describe(train: ImageSet, validation: ImageSet) -> dict[str, Any]:
    return {
        "name": train.name,
        "shape": list(train.shape),
        "classes": list(train.classes),
        "n_train": train.n_samples,
        "n_validation": validation.n_samples,
    }
