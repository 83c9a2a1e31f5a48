"""Weighted sums in the memory layout of the compiled loops: flat, channels-last, cut into parts."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spikewise._vector import LANES
from spikewise.network.arrays import each_part, flat, tensor_of


def period_of(n_channels: int) -> int:
    """Return the number of elements after which both channels and vectors start again: their common multiple.

    Examples
    --------
    >>> period_of(32), period_of(24), period_of(3)
    (32, 48, 48)
    """
    return n_channels * LANES // math.gcd(n_channels, LANES)


class FlatSums:
    """Sums (T, B, C, ...) as a flat channels-last array, which is processed in parts."""

    def __init__(self, sums: Tensor) -> None:
        self.shape, self.n_channels = sums.shape, sums.shape[2]
        self.order = [0, 1, *range(3, sums.ndim), 2]
        self.data = flat(sums.permute(self.order))
        self.n = self.data.size // len(sums)
        self.period = period_of(self.n_channels)

    def tiled(self, values: Tensor) -> Any:
        """Repeat values of the channels (C,) for a period of elements, in float32."""
        # A vector then finds the values of its 16 channels at one place, whatever the number of channels.
        return np.tile(values.detach().to(torch.float32).numpy(), self.period // self.n_channels)

    def added(self, residual: Tensor | None) -> tuple[Any, int]:
        """Return currents (T, B, C, ...) as a flat array and their stride; if there are none, 16 zeros and 0."""
        if residual is None:
            return np.zeros(LANES, self.data.dtype), 0
        return flat(residual.permute(self.order)), 1

    def by_channel(self, sums: Any) -> Any:
        """Add up sums (parts, period) by channel (C,) in float64."""
        return sums.astype(np.float64).sum(0).reshape(-1, self.n_channels).sum(0)

    @property
    def stride(self) -> int:
        """Distance between two steps in memory; 0 for a static input."""
        return self.n if len(self.data) > self.n else 0

    @property
    def map(self) -> tuple[int, int, int]:
        """Height, width and channels of an image."""
        return self.shape[3], self.shape[4], self.n_channels

    def sizes(self, *, means: bool) -> list[int]:
        """Return the sizes of a step in memory order; a map of means has one row and one column more."""
        return [self.shape[axis] + (means and axis > 2) for axis in self.order[1:]]

    def size_of(self, means: bool, n_steps: int) -> int:
        """Return the number of elements of all steps."""
        return n_steps * math.prod(self.sizes(means=means))

    def like(self, values: Any, n_steps: int | None = None, *, means: bool = False) -> Tensor:
        """Return a flat channels-last array as a tensor (T, B, C, ...) or (B, C, ...)."""
        steps = () if n_steps is None else (n_steps,)
        return tensor_of(values, (*steps, *self.sizes(means=means))).movedim(-1, len(steps) + 1)

    def each_image(self, work: Callable[[int, int, int], None]) -> None:
        """Call ``work`` with number, begin and end of each part of a step, cut between images only."""
        size = self.n // self.shape[1]
        each_part(self.shape[1], lambda part, begin, end: work(part, begin * size, end * size))

    def each_part(self, work: Callable[[int, int, int], None], *, all_steps: bool = False) -> None:
        """Call ``work`` with number, begin and end of each part of a step, or of all steps."""
        # Cut between periods only: each part then begins with the first channel.
        period = self.period
        n_rows = (self.data.size if all_steps else self.n) // period
        each_part(n_rows, lambda part, begin, end: work(part, begin * period, end * period))
