r"""A trained network on the crossbars of imperfect chips.

:func:`design_crossbars` maps a trained network to crossbars. On a chip without random deviations it calibrates, once,
the ranges of the converters and of inputs that are not spikes. Each seed is then one chip of that design: spread and
stuck cells are drawn once per chip, read noise at every read. Pooling, normalisation, biases and neurons stay exact.
A direct-coded first layer is read once per image, so its read noise does not average out over the steps.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from spikewise._arguments import checks_arguments
from spikewise._gates import step_count
from spikewise.errors import ParameterError, whole_number
from spikewise.network.inputs import check_images
from spikewise.network.models import SpikingNetwork, check_built

from . import device
from .layers import CrossbarConv2d, CrossbarLinear, InputCodes
from .rows import ReadNoise, RowBlock, seed_of
from .settings import Nonideal as Nonideal  # the settings belong to this module's users

_MAX_SEED = 2**63 - 1


@dataclass(frozen=True, slots=True, eq=False)
class CrossbarDesign:
    """A calibrated network on crossbars, with one chip per seed; made by :func:`design_crossbars`.

    Parameters
    ----------
    network : SpikingNetwork
        The trained network.
    nonideal : Nonideal
        Crossbars and non-idealities of its chips.
    input_codes : mapping
        Codes of the inputs of each layer; None for spikes.
    converter_steps : mapping
        Steps (K, 1, 1) of the converters of each block of rows, by layer; empty if the converters are exact.
    """

    network: SpikingNetwork
    nonideal: Nonideal
    input_codes: Mapping[str, InputCodes | None]
    converter_steps: Mapping[str, tuple[Tensor, ...]]

    def chip(self, seed: int) -> SpikingNetwork:
        """Return the chip of this seed: a copy of the network that computes on its own crossbars."""
        return self.chips((seed,))

    @checks_arguments
    def chips(self, seeds: Sequence[int]) -> SpikingNetwork:
        """Return S chips in one network, which takes each image S times in a row: row i S + s is for chip s."""
        checked = tuple(whole_number("seed", seed, 0, _MAX_SEED) for seed in seeds)
        if not checked:
            raise ParameterError("seeds must name at least one chip; got none.")
        network, noise = copy.deepcopy(self.network).eval(), ReadNoise(checked)
        for index, (name, codes) in enumerate(self.input_codes.items()):
            layer: Any = network.get_submodule(name)
            kind = CrossbarConv2d if isinstance(layer, nn.Conv2d) else CrossbarLinear
            # A seed per layer, so that a layer's deviations do not depend on the sizes of the layers before it.
            own_seeds = [seed_of(seed, index) for seed in checked]
            replaced = kind(layer, nonideal=self.nonideal, codes=codes, seeds=own_seeds, noise=noise, begins=index == 0)
            network.set_submodule(name, replaced)
        for name, steps in self.converter_steps.items():
            for block, step in zip(_blocks(network.get_submodule(name)), steps, strict=True):
                block.step.copy_(step)
        return network


@checks_arguments
def design_crossbars(
    network: SpikingNetwork, nonideal: Nonideal, calibration_images: ArrayLike | Tensor, n_steps: int = 4
) -> CrossbarDesign:
    """Map a trained network to crossbars, and calibrate the ranges that all its chips share.

    Parameters
    ----------
    network : SpikingNetwork
        Trained network; it is not changed.
    nonideal : Nonideal
        Crossbars and non-idealities of the chips.
    calibration_images : array of shape (B, C, H, W) or (T, B, C, H, W)
        Images or recordings that determine the ranges, all in one batch; a few dozen training images are enough.
    n_steps : int
        Number of timesteps for the calibration.
    """
    if not isinstance(nonideal, Nonideal):
        raise ParameterError(f"nonideal must be a Nonideal; got {nonideal!r}. Nonideal() is a chip without fault.")
    if _blocks(check_built(network)):
        raise ParameterError("network must have float weights; got one on crossbars. Give the network it was made of.")
    n_steps = step_count(n_steps)
    checked = check_images(calibration_images, network.spec.in_shape, "calibration_images", n_frames=n_steps)
    if checked.ndim == 5 and nonideal.read_noise:
        # The noise restarts, from the content of the input, whenever the first layer runs: equal frames of a recording
        # would get equal noise.
        raise ParameterError(
            f"read_noise must be 0 for recordings; got {nonideal.read_noise:g}. Give pictures, or chips without it."
        )
    images = torch.as_tensor(checked, device=network.mean.device)
    exact = CrossbarDesign(network, nonideal, _input_codes(network, nonideal, images, n_steps), {})
    return replace(exact, converter_steps=_converter_steps(exact, images, n_steps))


@checks_arguments
def on_crossbars(
    network: SpikingNetwork, nonideal: Nonideal, *, seed: int, calibration_images: ArrayLike | Tensor, n_steps: int = 4
) -> SpikingNetwork:
    """Return one chip of a trained network; see :func:`design_crossbars` and :meth:`CrossbarDesign.chip`.

    Examples
    --------
    >>> from spikewise.network import SpikingClassifier, build_model
    >>> images = np.random.default_rng(0).random((2, 1, 8, 8))
    >>> chip = on_crossbars(
    ...     build_model("vgg5", (1, 8, 8), 10, width=0.25), Nonideal(variation=0.1), seed=7, calibration_images=images
    ... )
    >>> SpikingClassifier(chip, n_steps=4).predict(images).shape
    (2,)
    """
    return design_crossbars(network, nonideal, calibration_images, n_steps).chip(seed)


@checks_arguments
def clip_share(network: nn.Module) -> float:
    """Return the share of conversions so far whose current exceeded the range of the converter."""
    return float(clip_shares(network).mean())


def clip_shares(network: nn.Module) -> NDArray[np.float64]:
    """Return :func:`clip_share` for each chip (S,) of a network."""
    blocks = _blocks(network)
    n_clipped = np.sum([block.n_clipped for block in blocks], 0)
    return np.asarray(n_clipped / max(1, sum(block.n_converted for block in blocks)), np.float64)


def _blocks(module: nn.Module) -> list[RowBlock]:
    return [part for part in module.modules() if isinstance(part, RowBlock)]


@torch.no_grad()
def _input_codes(
    network: SpikingNetwork, nonideal: Nonideal, images: Tensor, n_steps: int
) -> dict[str, InputCodes | None]:
    """Return the codes of the inputs of each layer, in the order of execution, from the range of the inputs."""
    seen: dict[str, tuple[float, float, bool]] = {}

    def watch(name: str) -> Any:
        def hook(module: nn.Module, args: tuple[Tensor, ...]) -> None:
            x = args[0]
            # A layer may be called at each step; a single frame can look like spikes, so that all calls count.
            low, high, is_spikes = seen.get(name, (0.0, 0.0, True))
            is_spikes = is_spikes and bool(((x == 0) | (x == 1)).all())
            seen[name] = min(low, float(x.min())), max(high, float(x.max())), is_spikes

        return hook

    clean = copy.deepcopy(network).eval()
    for name, module in clean.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_pre_hook(watch(name))
    clean(images, n_steps)
    return {
        name: None if is_spikes else InputCodes.spanning(low, high, nonideal.input_bits)
        for name, (low, high, is_spikes) in seen.items()
    }


@torch.no_grad()
def _converter_steps(design: CrossbarDesign, images: Tensor, n_steps: int) -> dict[str, tuple[Tensor, ...]]:
    """Return the steps of the converters of each layer, from the currents of a chip without random deviations."""
    clip, n_bits = design.nonideal.clip, design.nonideal.adc_bits
    if n_bits is None:
        return {}
    chip = replace(design, nonideal=design.nonideal.nominal).chip(0)
    for block in _blocks(chip):
        block.n_bits = None  # exact, so that rounding in one layer does not change the currents of the next
        block.seen = torch.zeros(len(block.largest), device.N_BINS, device=images.device)
    chip(images, n_steps)
    return {
        name: tuple(_converter_step(block, clip, n_bits) for block in _blocks(chip.get_submodule(name)))
        for name in design.input_codes
    }


def _converter_step(block: RowBlock, clip: float, n_bits: int) -> Tensor:
    assert block.seen is not None
    found = [device.full_scale(seen, most, clip) for seen, most in zip(block.seen, block.largest, strict=True)]
    return device.converter_step(torch.tensor(found, device=block.step.device)[:, None, None], n_bits)
