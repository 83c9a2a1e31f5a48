"""Geometry of convolutions: how many applications of a kernel read each pixel of a map."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Axis:
    """Size and movement of a kernel along one axis of a map; a padding of -1 means "same"."""

    kernel: int
    stride: int
    dilation: int
    padding: int

    def n_readers(self, size: int) -> Tensor:
        """Return how many kernel applications read each place along the axis."""
        reach = self.dilation * (self.kernel - 1)
        total = reach if self.padding < 0 else 2 * self.padding  # "same" pads as far as the kernel reaches
        first = -(total // 2)  # an odd total pads one more at the end, as in torch
        starts = torch.arange(first, size + first + total - reach, self.stride)
        read = (starts[:, None] + self.dilation * torch.arange(self.kernel)).flatten()
        return torch.bincount(read[(read >= 0) & (read < size)], minlength=size)


def axes_of(conv: nn.Conv1d | nn.Conv2d) -> tuple[Axis, Axis]:
    """Return both axes of a convolution; a convolution over sequences has a height of 1."""
    axes = []
    for axis, (kernel, stride, dilation) in enumerate(zip(conv.kernel_size, conv.stride, conv.dilation, strict=True)):
        padding = {"valid": 0, "same": -1}[conv.padding] if isinstance(conv.padding, str) else conv.padding[axis]
        axes.append(Axis(kernel, stride, dilation, padding))
    return (axes[0], axes[1]) if len(axes) == 2 else (Axis(1, 1, 1, 0), axes[0])


def n_readers(conv: nn.Conv1d | nn.Conv2d, in_size: tuple[int, int]) -> Tensor:
    """Return how many kernel applications read each input pixel, (H, W)."""
    # The two axes are independent, so the number of readers is a product.
    height, width = axes_of(conv)
    return height.n_readers(in_size[0])[:, None] * width.n_readers(in_size[1])
