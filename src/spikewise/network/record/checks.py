"""Check the inputs of a layer of synapses before it runs, with messages that name the layer."""

from typing import Any

import torch
from torch import Tensor, nn

from spikewise.errors import ParameterError, ShapeError

Synapses = nn.Conv1d | nn.Conv2d | nn.Linear
# Functions of the classes: a subclass or a wrapper with another ``forward`` is not among them.
_OWN_FORWARD = {kind.forward for kind in (nn.Conv1d, nn.Conv2d, nn.Linear)}


def check_call(name: str, module: Synapses, x: Any) -> None:
    """Check that the inputs of a call can be counted and are what the layer takes.

    Raises
    ------
    ParameterError
        If the inputs are not a dense tensor of the weights' type, or the layer does not pad with zeros.
    ShapeError
        If the number of channels does not fit the weights.
    """
    if not isinstance(x, Tensor) or x.layout != torch.strided:
        raise ParameterError(f"layer {name!r} must see a dense tensor; got {type(x).__name__}. Convert it.")
    if getattr(module, "padding_mode", "zeros") != "zeros":
        raise ParameterError(
            f"layer {name!r} must pad with zeros; got {module.padding_mode!r}. Padding of other kinds adds "
            "active inputs that are not counted."
        )
    if type(module).forward in _OWN_FORWARD:  # a replaced one may convert its input
        _check_type(name, module, x)
        _check_channels(name, module, x)


def _check_type(name: str, module: Synapses, x: Tensor) -> None:
    dtype = module.weight.dtype
    if not x.is_floating_point():
        raise ParameterError(
            f"layer {name!r} must see floating-point values; got {x.dtype}. Convert the images: images.float() / 255."
        )
    if x.dtype != dtype and not torch.is_autocast_enabled(x.device.type):
        raise ParameterError(f"layer {name!r} must see {dtype}, as its weights are; got {x.dtype}. Convert the images.")


def _check_channels(name: str, module: Synapses, x: Tensor) -> None:
    if isinstance(module, nn.Linear):
        n_in, axis = module.in_features, -1
    else:
        n_in, axis = module.in_channels, -1 - len(module.kernel_size)
    if x.ndim >= -axis and x.shape[axis] != n_in:
        raise ShapeError(
            f"layer {name!r} must see {n_in} {'values' if axis == -1 else 'channels'} along axis {axis}; got an input "
            f"of shape {tuple(x.shape)}. Check the shape of the images."
        )
