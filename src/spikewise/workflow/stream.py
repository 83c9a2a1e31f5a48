"""One sample and a trained network of a run, ready to be watched step by step."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewise._arrays import read_npy
from spikewise.data.formats.checks import check_values
from spikewise.data.formats.folder import open_picture
from spikewise.data.images import ImageSet
from spikewise.dynamic.anytime import Answer, TrainedClassifier
from spikewise.dynamic.monitor import DriftMonitor
from spikewise.dynamic.rule import EntropyExit
from spikewise.dynamic.uncertainty import UncertaintyExit
from spikewise.errors import DataError, ParameterError, unknown_name
from spikewise.runs.exit_folder import ExitFolder
from spikewise.runs.folder import Run
from spikewise.runs.names import EXIT_FILE

from .exit import accumulation_of, splits_of
from .learn import open_network


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """Answers of a network to one sample as they come, names of the classes, and the true class if it is known."""

    answers: Iterator[Answer]
    class_names: tuple[str, ...]
    label: int | None


def open_watch(
    path: Path,
    *,
    index: int = 0,
    image: Path | None = None,
    exit_name: str = "",
    full: bool = False,
    data: str | None = None,
    root: Path | None = None,
) -> Watched:
    """Open a run and a sample.

    Parameters
    ----------
    path : Path
        Folder of a run whose network is trained.
    index : int
        Which of the test images.
    image : Path, optional
        Instead of it a picture, or a ``.npy`` file with an image (C, H, W) or frames (T, C, H, W).
    exit_name : str
        Exit setting of the run; the newest if empty.
    full : bool
        Whether all steps are computed.
    data, root
        Where the data are, as in :func:`~spikewise.workflow.exit.run_exit`.

    Raises
    ------
    ParameterError, DataError
        If there is no such sample or exit setting.
    """
    run = Run.open(path)
    network = open_network(run)
    rule = EntropyExit(0.0, accumulation_of(run)) if full else rule_of(run, network, exit_name)
    names = tuple(run.entry("data", "classes"))
    if len(names) < network.n_classes:
        raise run.damaged(f"data.classes must name the {network.n_classes} classes of the network; got {len(names)}")
    if image is not None:
        sample = read_sample(image, tuple(run.entry("data", "shape")), takes_frames=network.takes_frames)
        return Watched(network.stream(sample, rule), names, None)
    test = splits_of(run, data, root)["test"]
    if index >= test.n_samples:
        raise ParameterError(f"index must lie in 0..{test.n_samples - 1}, one of the test images; got {index}.")
    return Watched(network.stream(_sample(test, index), rule), names, int(test.labels[index]))


def rule_of(run: Run, network: TrainedClassifier, exit_name: str = "") -> UncertaintyExit:
    """Rule of an exit setting of a run, once it is known to be about this network; the newest if no name is given."""
    return _setting(run, network, exit_name)[1]


def monitor_of(
    run: Run, network: TrainedClassifier, exit_name: str = "", *, window: int = 500, false_alarms: float = 0.001
) -> DriftMonitor:
    """Drift monitor for an exit setting of a run, which knows how the calibration images left.

    Parameters
    ----------
    run : Run
        With the setting.
    network : TrainedClassifier
        The network of the run.
    exit_name : str
        Its name, such as ``drop-0.005``; the newest if empty.
    window, false_alarms
        As in :class:`~spikewise.dynamic.DriftMonitor`.
    """
    found, rule = _setting(run, network, exit_name)
    return DriftMonitor(found.needed_choice().profile, rule, window=window, false_alarms=false_alarms)


def _setting(run: Run, network: TrainedClassifier, exit_name: str) -> tuple[ExitFolder, UncertaintyExit]:
    """An exit setting and its rule, once both are known to be about this network.

    A heuristic holds for the weights, whatever computes them; a guarantee for all that its certificate names.
    """
    if exit_name and exit_name not in run.exits:
        raise unknown_name("exit setting", exit_name, list(run.exits) or ["(none)"])
    found = run.exits[exit_name] if exit_name else run.newest_exit
    if found is None:
        raise DataError(
            f"{run.path} must hold an exit setting; it has none. Ask for all steps (--full), or run: spikewise exit "
            f"{run.path} --max-drop 0.005"
        )
    file, record, identity = found.path / EXIT_FILE, found.record, network.fingerprint()
    if record.identity.get("model") != identity["model"]:
        raise DataError(f"{file} must be about the weights that are in use; they are others. Run spikewise exit again.")
    if not isinstance(record.rule, UncertaintyExit):
        raise DataError(f"{file} must hold a rule that stops early. Run spikewise exit again.")
    if record.threshold == "guarantee":
        certificate = found.needed_choice().certificate
        if certificate is None or certificate.rule != record.rule:
            raise DataError(f"{file} must hold the rule of its certificate; it has another. Run spikewise exit again.")
        certificate.check(identity)
    return found, record.rule


def read_sample(path: Path, shape: tuple[int, int, int], *, takes_frames: bool = True) -> NDArray[Any]:
    """A picture of the network's size, or an array of an image or, where the network takes them, of frames."""
    if not path.exists():
        raise DataError(f"{path} must be a picture or a .npy array; there is no such file. Check the path.")
    if path.suffix != ".npy":
        return _fitting(open_picture(path, 1 if shape[0] == 1 else 3), path, shape, takes_frames=takes_frames)
    return _fitting(read_npy(path), path, shape, takes_frames=takes_frames)


def _fitting(values: NDArray[Any], path: Path, shape: tuple[int, int, int], *, takes_frames: bool) -> NDArray[Any]:
    """The values, once either kind of network can read them: bytes, or floats in [0, 1], of its size."""
    if values.shape[-3:] != shape or values.ndim > 3 + takes_frames or not values.size:
        size = ", ".join(map(str, shape))
        wanted = f"an image ({size})" + (f" or frames (T, {size})" if takes_frames else "")
        raise DataError(f"{path} must hold {wanted}; got {values.shape}. Scale or convert it.")
    check_values(values, str(path), "hold", DataError)
    return values


def _sample(images: ImageSet, index: int) -> NDArray[Any]:
    """An image (C, H, W), or the frames (T, C, H, W) of a recording."""
    return np.asarray(images.images[index] if images.n_frames is None else images.images[:, index])
