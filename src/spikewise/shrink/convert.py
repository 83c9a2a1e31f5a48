"""Convert a trained network to fixed point: fold the normalisation, choose steps and units, round."""

import copy
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spikewise._arguments import checks_arguments
from spikewise._gates import step_count
from spikewise.errors import ParameterError
from spikewise.network.inputs import check_images
from spikewise.network.layers import SpikingLayer
from spikewise.network.models import SpikingNetwork, check_built
from spikewise.network.resnet import ResidualBlock, Shortcut

from .fixed import DECAY_BITS, WHITE, FixedLayer, FixedNetwork, FixedShortcut
from .format import FixedFormat, choose_shifts, choose_steps, whole_numbers
from .layers import READOUT, largest_potentials, line_of, normalized_layers, synapses_of

Steps = Mapping[str, NDArray[np.float64]]
"""Step of each output channel (C,), by name of the layer."""

_EXACT_IN_FLOAT = 2**24
_EXACT_IN_TENSOR_FLOAT = 2**11  # GPUs round factors to TF32 by default, with 11 significant bits
_QUARTERS = 4
_ROOM = 1.01  # times the threshold is the least range of potentials, so that a neuron can fire


@checks_arguments
def shrink_network(
    network: SpikingNetwork, form: FixedFormat, images: Any, n_steps: int, steps: Steps | None = None,
    largest: Mapping[str, Tensor] | None = None,
) -> FixedNetwork:  # fmt: skip
    """Convert a network to fixed point.

    Parameters
    ----------
    network : SpikingNetwork
        Trained network; it is not changed.
    form : FixedFormat
        Bits and rounding of the weights.
    images : array of shape (B, C, H, W) or (T, B, C, H, W)
        Typical samples, such as training samples: they determine the range of the potentials.
    n_steps : int
        Timesteps T.
    steps : mapping, optional
        Steps of the weights, from :func:`weight_steps`, if the network was fine-tuned with them: then weights are
        rounded to nearest, as in training.
    largest : mapping, optional
        Result of :func:`~spikewise.shrink.layers.largest_potentials` for these images, if it is known already.

    Examples
    --------
    >>> from spikewise.network import build_model
    >>> network = build_model("vgg5", (1, 8, 8), 10, width=0.25)
    >>> images = np.random.default_rng(0).integers(0, 256, (16, 1, 8, 8), dtype=np.uint8)
    >>> fixed = shrink_network(network, FixedFormat(bits=4), images, n_steps=4)
    >>> fixed(torch.as_tensor(images), 4).shape
    torch.Size([4, 16, 10])
    """
    n_steps, shape = step_count(n_steps), check_built(network).spec.in_shape
    samples = torch.from_numpy(check_images(images, shape, "images", n_frames=n_steps))
    network = copy.deepcopy(network).cpu().float().eval()
    rounding = form.rounding if steps is None else "nearest"
    steps = weight_steps(network, form) if steps is None else steps
    if missing := set(synapses_of(network)) - set(steps):
        raise ParameterError(f"steps must name every layer; {', '.join(sorted(missing))} is missing.")
    largest = largest_potentials(network, samples, n_steps) if largest is None else largest
    fixed = FixedNetwork(network.spec)
    fixed.mean.copy_((WHITE * network.mean).round())
    rng = np.random.default_rng(form.seed)

    def rounded(name: str, weights: Tensor) -> Tensor:
        return torch.from_numpy(whole_numbers(weights.numpy(), steps[name], form.of(name), rounding, rng))

    layers, fixed_layers = normalized_layers(network), normalized_layers(fixed)
    for name, layer in layers.items():
        if isinstance(layer, SpikingLayer):
            weights = folded_weights(network, name)
            shift = line_of(layer.norm)[1] + _border(network, fixed, name, weights)
            # The last neurons of a block receive the shortcut's current too, so its shift joins their bias.
            if (shortcut := layers.get(f"{name.removesuffix('conv2')}shortcut")) is not None:
                shift += line_of(shortcut.norm)[1]
            fixed_layers[name].synapses.weight.copy_(rounded(name, weights))
            _set_neurons(fixed_layers[name], layer, shift, steps[name], largest[name], form)
    blocks: dict[str, Any] = {name: each for name, each in fixed.layers.items() if isinstance(each, ResidualBlock)}
    for block, parts in blocks.items():
        name, mine, neurons = f"{block}.shortcut", parts.shortcut, parts.conv2.neurons
        if isinstance(mine, FixedShortcut):
            mine.synapses.weight.copy_(rounded(name, folded_weights(network, name)))
            # From the shortcut's own steps into the unit of the neurons; the quotient is a power of two.
            mine.shift.copy_(neurons.shift + torch.from_numpy(np.log2(steps[name] / steps[f"{block}.conv2"])))
            mine.limit.copy_(neurons.limit)
        else:
            # Without weights a spike adds a current of 1, which is 1 / unit counts.
            unit = torch.from_numpy(steps[f"{block}.conv2"]) * torch.exp2(-neurons.shift.double())
            mine.worth.copy_((1 / unit).round().clamp(max=float(neurons.limit) - 1))
    _set_readout(fixed, network, steps[READOUT], rounded)
    return fixed if fits_in_float(fixed) else fixed.double()


def weight_steps(network: SpikingNetwork, form: FixedFormat) -> dict[str, NDArray[np.float64]]:
    """Choose the step of the weights of each output channel, by name of the layer.

    The steps of a shortcut are those of the layer whose neurons it reaches, times powers of two, so that both currents
    can be shifted into one unit. All scores share one step, a power of two.
    """
    layers, found = normalized_layers(network), {}
    for name, layer in layers.items():
        if isinstance(layer, SpikingLayer):
            found[name] = choose_steps(folded_weights(network, name).numpy(), form.of(name), form.scale, form.rounding)
    for name, layer in layers.items():
        if isinstance(layer, Shortcut):
            reached = found[name.replace("shortcut", "conv2")]
            longest = folded_weights(network, name).abs().flatten(1).amax(1).numpy()
            ratio = longest / (2 ** (form.of(name) - 1) - 1) / reached
            ratio = np.full_like(ratio, ratio.max()) if form.scale == "power2" else ratio
            found[name] = reached * 2.0 ** np.ceil(np.log2(np.where(ratio > 0, ratio, 1)))
    readout: Any = network.readout
    found[READOUT] = choose_steps(readout.weight.detach().double().numpy(), form.of(READOUT), "power2", form.rounding)
    # In the order of the layers, since shortcuts were added last.
    return {**{name: found[name] for name in layers}, READOUT: found[READOUT]}


def folded_weights(network: SpikingNetwork, name: str) -> Tensor:
    """Return the weights (C, ...) that act on spikes, or on pixels of 0 to 255, with the normalisation folded in."""
    weights: Tensor = normalized_layers(network)[name].synapses.weight.detach().double()
    return weights * fold_factors(network, name, weights.ndim)


def fold_factors(network: SpikingNetwork, name: str, ndim: int) -> Tensor:
    """Return the factors by which folding multiplies the weights, in a shape that broadcasts to them.

    The sign of a negative scale is not folded in, but applied by the neurons: before a max-pooling it would turn the
    largest sum into the smallest.
    """
    layer = normalized_layers(network)[name]
    scale, _ = line_of(layer.norm)
    factors = (scale if isinstance(layer, Shortcut) else scale.abs()).view(-1, *[1] * (ndim - 1))
    if name == next(iter(normalized_layers(network))):
        factors = factors / (WHITE * network.std.double()[:, None, None])
    return factors


def _border(network: SpikingNetwork, fixed: FixedNetwork, name: str, weights: Tensor) -> Tensor | float:
    """Return the correction of the first layer's sums for subtracting a rounded mean from each pixel."""
    if name != next(iter(network.layers)):
        return 0.0
    lacking = fixed.mean.double() - WHITE * network.mean.double()
    sign = line_of(normalized_layers(network)[name].norm)[0].sign()
    return sign * (weights * lacking[:, None, None]).sum((1, 2, 3))


def _set_neurons(
    fixed: FixedLayer, layer: SpikingLayer, shift: Tensor, steps: NDArray[np.float64], largest: Tensor,
    form: FixedFormat,
) -> None:  # fmt: skip
    """Set the numbers of the neurons, each in the unit of its channel."""
    params = layer.neurons.current_params()
    most = torch.maximum(largest.double(), shift.abs()).clamp(min=max(_ROOM * params.v_threshold, abs(params.v_reset)))
    decay = round(params.decay * 2**DECAY_BITS)
    if decay in (0, 2**DECAY_BITS) and params.decay not in (0, 1):
        warnings.warn(
            f"a decay of {params.decay:g} becomes {decay / 2**DECAY_BITS:g}: it has {DECAY_BITS} bits.", stacklevel=3
        )
    shifts = choose_shifts(steps, most.numpy(), form.membrane_bits, form.scale)
    units, limit = torch.from_numpy(steps * 2.0**-shifts), 2.0 ** (form.membrane_bits - 1)
    mine = fixed.neurons
    mine.shift.copy_(torch.from_numpy(shifts))
    mine.sign.copy_(torch.where(line_of(layer.norm)[0] < 0, -1, 1))
    mine.bias.copy_((shift / units).round().clamp(-limit, limit - 1))
    mine.threshold.copy_((params.v_threshold / units).round().clamp(1, limit - 1))
    mine.v_reset.copy_((params.v_reset / units).round().clamp(-limit, limit - 1))
    mine.decay.fill_(decay)
    mine.limit.fill_(limit)


def _set_readout(fixed: FixedNetwork, network: SpikingNetwork, steps: NDArray[np.float64], rounded: Any) -> None:
    mine: Any = fixed.readout
    theirs: Any = network.readout
    step = float(steps[0])
    mine.weight.copy_(rounded(READOUT, theirs.weight.detach().double()))
    mine.bias.copy_((theirs.bias.detach().double() / step).round())
    # Scores of maps are sums over the pixels, where the network takes means.
    fixed.scale.fill_(step / _n_pixels(fixed))


def _n_pixels(network: SpikingNetwork) -> int:
    """Return the number of pixels over which the read-out is averaged."""
    if isinstance(network.readout, nn.Linear):
        return 1
    with torch.no_grad():
        spikes = torch.zeros(1, 1, *network.spec.in_shape)
        for layer in network.layers.values():
            spikes, _ = layer(spikes)
    return int(spikes.shape[-1] * spikes.shape[-2])


def fits_in_float(network: FixedNetwork) -> bool:
    """Whether a 32-bit float holds every weight and weighted sum exactly, on a GPU too."""
    first, most = next(iter(network.layers)), 0.0
    for name, module in synapses_of(network).items():
        weights: Any = module.weight
        bias = 0.0 if module.bias is None else module.bias.abs().double()  # type: ignore[operator]
        sums = weights.double().abs().flatten(1).sum(1) * (WHITE if name == first else 1) + bias
        # Means are kept as quarters, and the read-out adds up all pixels.
        most = max(most, float(sums.max()) * (_n_pixels(network) if name == READOUT else _QUARTERS))
        if float(weights.abs().max()) >= _EXACT_IN_TENSOR_FLOAT:
            return False
    return most < _EXACT_IN_FLOAT
