"""First stage of a run: learn, with gradients or without labels, and keep the network in the folder.

The network is saved last, so that its file says that the stage is complete; a stage that was killed before
goes on from its checkpoint.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from spikewise.data.images import ImageSet
from spikewise.dynamic.anytime import AnytimeClassifier
from spikewise.errors import ParameterError, require
from spikewise.learn.stdp import STDPClassifier
from spikewise.runs import MODEL_FILE, Run

if TYPE_CHECKING:
    from spikewise.learn.fit import FitSettings

Progress = Callable[[int, int, str], None]
"""Called with what is done, what there is to do, and a remark."""

_CHECKPOINT = "checkpoint.safetensors"


def learn_deep(
    run: Run,
    train: ImageSet,
    validation: ImageSet,
    settings: FitSettings,
    progress: Progress,
    *,
    model: str = "vgg5",
    width: float = 1.0,
) -> AnytimeClassifier:
    """Train a deep spiking network by gradients; resumes from the last epoch if it was interrupted.

    Parameters
    ----------
    run : Run
        Receives the network, the training history and the validation accuracy.
    train, validation : ImageSet
        Images to learn from, and to choose the best epoch on.
    settings : FitSettings
        How to train.
    progress : callable
        Called after every epoch.
    model : str
        Name of an architecture.
    width : float
        Factor on its channel counts.
    """
    if _is_learned(run):
        progress(1, 1, "was there already")
        return open_network(run)
    torch = require("torch", "deep")
    from spikewise.learn.fit import fit
    from spikewise.network.infer import SpikingClassifier
    from spikewise.network.models import build_model

    network = build_model(model, train.shape, train.n_classes, width=width, seed=settings.seed)
    result = fit(
        network,
        (train.images, train.labels),
        (validation.images, validation.labels),
        settings,
        checkpoint=run.path / _CHECKPOINT,
        resume=True,
        progress=lambda epoch: progress(
            epoch.epoch, settings.epochs, f"loss {epoch.loss:.3f}, validation {epoch.validation_accuracy:.2%}"
        ),
    )
    classifier = SpikingClassifier(network, settings.n_steps, train.classes)
    run.update(
        data=_describe(train, validation),
        metrics={
            "n_parameters": sum(p.numel() for p in network.parameters()),
            "best_epoch": result.best_epoch,
            "validation_accuracy": result.best_validation_accuracy,
            "train_loss": [row.loss for row in result.history],
        },
        timings={"train_s": result.seconds},
        versions={"torch_threads": settings.threads or torch.get_num_threads()},  # decides the last bits
    )
    classifier.save(run.path / MODEL_FILE)
    (run.path / _CHECKPOINT).unlink(missing_ok=True)
    return classifier


def learn_stdp(
    run: Run, train: ImageSet, validation: ImageSet, settings: dict[str, Any], progress: Progress
) -> AnytimeClassifier:
    """Learn without labels, then label the neurons; validation images take part in neither.

    Parameters
    ----------
    run : Run
        Receives the network and its health.
    train, validation : ImageSet
        Images to learn from, and images kept out of learning and labelling.
    settings : dict
        Keywords of :class:`~spikewise.learn.stdp.STDPClassifier`.
    progress : callable
        Called after every few hundred samples.
    """
    if _is_learned(run):
        progress(1, 1, "was there already")
        return open_network(run)
    began = time.perf_counter()
    learned = began

    def report(done: int, total: int) -> None:
        nonlocal learned
        learned = time.perf_counter()
        progress(done, total, "samples")

    classifier = STDPClassifier(**settings)
    classifier.fit(train.images, train.labels, progress=report, checkpoint=run.path / _CHECKPOINT)
    encoder = classifier.encoder_
    run.update(
        data=_describe(train, validation),
        metrics={
            "n_presentations": encoder.n_presentations_,
            "validation_accuracy": float(classifier.score(validation.images, validation.labels)),
            "spikes_per_sample": encoder.health_.spikes_per_sample,
            "silent_share": encoder.health_.silent_share,
            "live_share": encoder.health_.live_share,
            "mean_theta_mv": encoder.health_.theta_mean,
        },
        timings={"train_s": learned - began, "label_s": time.perf_counter() - learned},
    )
    classifier.save(run.path / MODEL_FILE)
    (run.path / _CHECKPOINT).unlink(missing_ok=True)
    return classifier


def _is_learned(run: Run) -> bool:
    """Whether the network is there; a checkpoint beside it is a leftover."""
    if not (run.path / MODEL_FILE).exists():
        return False
    (run.path / _CHECKPOINT).unlink(missing_ok=True)
    return True


def open_network(run: Run) -> AnytimeClassifier:
    """The trained network of a run, whichever kind it is."""
    kind = run.record["kind"]
    if kind == "stdp":
        return STDPClassifier.load(run.path / MODEL_FILE)
    if kind == "deep":
        require("torch", "deep")
        from spikewise.network.infer import SpikingClassifier

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
