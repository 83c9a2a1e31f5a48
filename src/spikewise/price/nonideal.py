r"""What an imperfect chip does to accuracy, and whether leaving early suffers more than running to the end.

:func:`design_crossbars` puts a trained network on crossbars and calibrates, once and on a chip without luck, the ranges
of the converters and of inputs that are not spikes. Each seed is then one chip of that design: spread and stuck
cells are drawn once per chip, read noise at every read. Pooling, normalisation, biases and neurons stay exact.
A direct-coded first layer is read once per image, so its read noise does not average out over the steps.

:func:`study` runs many chips and answers with mean and spread: accuracy of all steps; of early exit with the bound of
the clean model; and with a bound that was calibrated anew on each chip, on validation images. The chip distorts the
scores, hence their entropy, so the clean bound meets another distribution than it was chosen for. A chip's own
bound is a heuristic like any other (:mod:`~spikewise.dynamic.calibrate`): it aims at a loss and promises none.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from spikewise.dynamic.anytime import replay_exit
from spikewise.dynamic.calibrate import calibrate_entropy
from spikewise.dynamic.rule import EntropyExit
from spikewise.dynamic.trace import ScoreTrace
from spikewise.errors import ParameterError, whole_number
from spikewise.network._inputs import check_images
from spikewise.network.infer import SpikingClassifier
from spikewise.network.models import SpikingNetwork

from . import crossbar_math as physics
from .crossbar_layers import CrossbarConv2d, CrossbarLinear, ReadNoise, RowBlock, seed_of
from .crossbar_math import Nonideal as Nonideal  # the settings belong to this module's users

Samples = tuple[ArrayLike, ArrayLike]
_MAX_SEED = 2**63 - 1


@dataclass(frozen=True, slots=True, eq=False)
class CrossbarDesign:
    """A network on crossbars, calibrated: one chip per seed. Made by :func:`design_crossbars`.

    Parameters
    ----------
    network : SpikingNetwork
        The network as it was trained.
    nonideal : Nonideal
        How its chips fall short.
    input_steps : mapping
        Per layer the step of its inputs; None for spikes.
    converter_steps : mapping
        Per layer the steps (P, 1, 1) of the converters of each block of rows; empty where they are exact.
    """

    network: SpikingNetwork
    nonideal: Nonideal
    input_steps: Mapping[str, float | None]
    converter_steps: Mapping[str, tuple[Tensor, ...]]

    def chip(self, seed: int) -> SpikingNetwork:
        """Chip of this seed: a copy of the network that computes on its own crossbars."""
        seed = whole_number("seed", seed, 0, _MAX_SEED)
        network = _on_chip(self.network, self.nonideal, self.input_steps, seed)
        for name, steps in self.converter_steps.items():
            for block, step in zip(_blocks(network.get_submodule(name)), steps, strict=True):
                block.step.copy_(step)
        return network


def design_crossbars(
    network: SpikingNetwork, nonideal: Nonideal, calibration_images: ArrayLike | Tensor, n_steps: int = 4
) -> CrossbarDesign:
    """Put a trained network on crossbars, and calibrate what its chips have in common.

    Parameters
    ----------
    network : SpikingNetwork
        Left as it is.
    nonideal : Nonideal
        How its chips fall short.
    calibration_images : array of shape (B, C, H, W)
        Images that fix ranges, all in one batch; a few dozen of the training images will do.
    n_steps : int
        Timesteps that are looked at.
    """
    if not isinstance(network, SpikingNetwork) or any(isinstance(m, RowBlock) for m in network.modules()):
        found = "one on crossbars" if isinstance(network, SpikingNetwork) else type(network).__name__
        raise ParameterError(
            f"network must be a SpikingNetwork of float weights; got {found}. Build it by build_model."
        )
    broken = [name for name, weights in network.named_parameters() if not bool(weights.isfinite().all())]
    if broken:
        raise ParameterError(f"weights must be finite; got NaN or infinity in {broken[0]}. Did training diverge?")
    checked = check_images(calibration_images, network.spec.in_shape, "calibration_images")
    images = torch.as_tensor(checked, device=network.mean.device)
    n_steps = whole_number("n_steps", n_steps, 1)
    input_steps = _input_steps(network, nonideal, images, n_steps)
    converter_steps = {}
    if nonideal.adc_bits is not None:
        converter_steps = _converter_steps(network, nonideal, input_steps, images, n_steps)
    return CrossbarDesign(network, nonideal, input_steps, converter_steps)


def on_crossbars(
    network: SpikingNetwork, nonideal: Nonideal, *, seed: int, calibration_images: ArrayLike | Tensor, n_steps: int = 4
) -> SpikingNetwork:
    """One chip with a trained network on it; see :func:`design_crossbars` and :meth:`CrossbarDesign.chip`.

    Examples
    --------
    >>> from spikewise.network import build_model
    >>> images = np.random.default_rng(0).random((2, 1, 8, 8))
    >>> chip = on_crossbars(
    ...     build_model("vgg5", (1, 8, 8), 10, width=0.25), Nonideal(variation=0.1), seed=7, calibration_images=images
    ... )
    >>> SpikingClassifier(chip, n_steps=4).predict(images).shape
    (2,)
    """
    return design_crossbars(network, nonideal, calibration_images, n_steps).chip(seed)


def clip_share(network: nn.Module) -> float:
    """Share of the conversions of a chip so far whose current lay beyond the converter's range."""
    blocks = _blocks(network)
    return sum(block.n_clipped for block in blocks) / max(1, sum(block.n_converted for block in blocks))


def _on_chip(
    network: SpikingNetwork, nonideal: Nonideal, input_steps: Mapping[str, float | None], seed: int
) -> SpikingNetwork:
    chip = copy.deepcopy(network).eval()
    noise = ReadNoise(seed)
    for index, (name, input_step) in enumerate(input_steps.items()):
        layer: Any = chip.get_submodule(name)
        kind = CrossbarConv2d if isinstance(layer, nn.Conv2d) else CrossbarLinear
        replaced = kind(
            layer, nonideal=nonideal, input_step=input_step, seed=seed_of(seed, index), noise=noise, begins=index == 0
        )
        parent, _, key = name.rpartition(".")
        setattr(chip.get_submodule(parent), key, replaced)
    return chip


def _blocks(module: nn.Module) -> list[RowBlock]:
    return [part for part in module.modules() if isinstance(part, RowBlock)]


@torch.no_grad()
def _input_steps(network: SpikingNetwork, nonideal: Nonideal, images: Tensor, n_steps: int) -> dict[str, float | None]:
    """Step of the inputs of each layer, in the order they run: the largest one seen takes all input bits."""
    seen: dict[str, float | None] = {}

    def watch(name: str) -> Any:
        def hook(module: nn.Module, args: tuple[Tensor, ...]) -> None:
            x = args[0]
            is_spikes = bool(((x == 0) | (x == 1)).all())
            seen[name] = None if is_spikes else max(seen.get(name) or 0.0, float(x.abs().max()))

        return hook

    clean = copy.deepcopy(network).eval()
    for name, module in clean.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_pre_hook(watch(name))
    clean(images, n_steps)
    return {name: largest and largest / (2**nonideal.input_bits - 1) for name, largest in seen.items()}


@torch.no_grad()
def _converter_steps(
    network: SpikingNetwork, nonideal: Nonideal, input_steps: Mapping[str, float | None], images: Tensor, n_steps: int
) -> dict[str, tuple[Tensor, ...]]:
    """Steps of the converters of each layer, from what flows on a chip without luck and with exact converters."""
    assert nonideal.adc_bits is not None
    chip = _on_chip(network, nonideal.nominal, input_steps, seed=0)
    for block in _blocks(chip):
        block.n_bits = None
        block.seen = torch.zeros(block.n_columns, physics.N_BINS, device=images.device)
    chip(images, n_steps)
    steps = {}
    for name in input_steps:
        steps[name] = tuple(
            physics.converter_step(_full_scales(block, nonideal.clip), nonideal.adc_bits)
            for block in _blocks(chip.get_submodule(name))
        )
    return steps


def _full_scales(block: RowBlock, clip: float) -> Tensor:
    assert block.seen is not None
    found = [physics.full_scale(seen, most, clip) for seen, most in zip(block.seen, block.largest, strict=True)]
    return torch.tensor(found, device=block.step.device)[:, None, None]


@dataclass(frozen=True, slots=True, eq=False)
class StudyRow:
    """How the chips of one design did on the test images; one value per seed (S,) and design.

    Parameters
    ----------
    nonideal : Nonideal
        The design.
    accuracy_static : float array of shape (S,)
        Of all steps.
    accuracy_clean, steps_clean : float array of shape (S,)
        Of early exit with the given rule, and its mean steps.
    accuracy_chip, steps_chip, bound_chip : float array of shape (S,)
        Of early exit with the bound that was calibrated on this chip, and that bound.
    clipped : float array of shape (S,)
        Share of conversions beyond a converter's range.
    """

    nonideal: Nonideal
    accuracy_static: NDArray[np.float64]
    accuracy_clean: NDArray[np.float64]
    steps_clean: NDArray[np.float64]
    accuracy_chip: NDArray[np.float64]
    steps_chip: NDArray[np.float64]
    bound_chip: NDArray[np.float64]
    clipped: NDArray[np.float64]

    def mean(self) -> dict[str, float]:
        """Mean of each figure over the chips."""
        return {key: float(np.mean(values)) for key, values in self._figures().items()}

    def spread(self) -> dict[str, float]:
        """Standard deviation of each figure over the chips (n - 1); 0 for a single one."""
        return {key: float(np.std(v, ddof=1)) if len(v) > 1 else 0.0 for key, v in self._figures().items()}

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, ready for JSON; exact values are None."""
        settings = {key: None if value == float("inf") else value for key, value in asdict(self.nonideal).items()}
        return {"nonideal": settings, **{key: values.tolist() for key, values in self._figures().items()}}

    def _figures(self) -> dict[str, NDArray[np.float64]]:
        return {key: getattr(self, key) for key in self.__slots__ if key != "nonideal"}


def study(
    network: SpikingNetwork,
    nonideal: Nonideal,
    validation: Samples,
    test: Samples,
    rule: EntropyExit,
    *,
    seeds: Sequence[int] = tuple(range(10)),
    max_drop: float = 0.005,
    n_steps: int = 4,
    calibration_images: ArrayLike | Tensor | None = None,
    batch_size: int = 256,
) -> StudyRow:
    """Accuracy and early exit of many chips of one design. Test images choose nothing.

    Parameters
    ----------
    network : SpikingNetwork
        As it was trained.
    nonideal : Nonideal
        The design.
    validation, test : pair of arrays
        Images and labels: to calibrate each chip's own bound on, and to report on.
    rule : EntropyExit
        Calibrated on the clean model.
    seeds : sequence of int
        The chips.
    max_drop : float
        Loss of accuracy that a chip's own calibration tolerates.
    n_steps, batch_size : int
        Of the full run.
    calibration_images : array of shape (B, C, H, W), optional
        For the design; the first 64 validation images if absent.
    """
    if not isinstance(rule, EntropyExit):
        raise ParameterError(f"rule must be an EntropyExit; got {rule!r}. Calibrate one on the clean model.")
    if not len(seeds):
        raise ParameterError("seeds must name at least one chip; got none.")
    images = np.asarray(validation[0])[:64] if calibration_images is None else calibration_images
    design = design_crossbars(network, nonideal, images, n_steps)
    chips = [_one_chip(design.chip(seed), validation, test, rule, max_drop, n_steps, batch_size) for seed in seeds]
    return StudyRow(nonideal, *(np.array(column, np.float64) for column in zip(*chips, strict=True)))


def _one_chip(
    chip: SpikingNetwork,
    validation: Samples,
    test: Samples,
    rule: EntropyExit,
    max_drop: float,
    n_steps: int,
    batch: int,
) -> tuple[float, ...]:
    """Figures of one chip, in the order of :class:`StudyRow`."""
    classifier = SpikingClassifier(chip, n_steps, batch_size=batch)
    own = calibrate_entropy(classifier.trace(*validation), max_drop, rule.accumulate).rule
    trace = classifier.trace(*test)
    static = float(trace.accuracy_by_step()[-1])
    return static, *_exit(trace, rule), *_exit(trace, own), own.max_entropy, clip_share(chip)


def _exit(trace: ScoreTrace, rule: EntropyExit) -> tuple[float, float]:
    steps, classes = replay_exit(trace, rule)
    return float(np.mean(classes == trace.labels)), float(steps.mean())
