"""Where a kernel goes: how many of its applications read each place of a map."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Axis:
    """How a kernel moves along one axis of a map."""

    kernel: int
    stride: int
    dilation: int
    padding: int

    def n_readers(self, size: int) -> Tensor:
        """How many kernel applications read each place."""
        reach = self.dilation * (self.kernel - 1)
        total = reach if self.padding < 0 else 2 * self.padding  # "same" pads as far as the kernel reaches
        first = -(total // 2)
        starts = torch.arange(first, size + first + total - reach, self.stride)
        read = (starts[:, None] + self.dilation * torch.arange(self.kernel)).flatten()
        return torch.bincount(read[(read >= 0) & (read < size)], minlength=size)


def axes_of(conv: nn.Conv1d | nn.Conv2d) -> tuple[Axis, Axis]:
    """Both axes of a convolution; one over sequences has a height of 1."""
    axes = []
    for axis, (kernel, stride, dilation) in enumerate(zip(conv.kernel_size, conv.stride, conv.dilation, strict=True)):
        padding = {"valid": 0, "same": -1}[conv.padding] if isinstance(conv.padding, str) else conv.padding[axis]
        axes.append(Axis(kernel, stride, dilation, padding))
    return (axes[0], axes[1]) if len(axes) == 2 else (Axis(1, 1, 1, 0), axes[0])


def n_readers(conv: nn.Conv1d | nn.Conv2d, in_size: tuple[int, int]) -> Tensor:
    """How many kernel applications read each input pixel, (H, W)."""
    height, width = axes_of(conv)
    return height.n_readers(in_size[0])[:, None] * width.n_readers(in_size[1])
