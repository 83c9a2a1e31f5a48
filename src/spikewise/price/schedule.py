r"""When layers and timesteps follow one another: latency of a chip, and what a pipeline does in vain.

With :math:`d_l` the time of layer l for one step, a *sequential* chip needs :math:`\sum_l d_l` per step. Where a layer
may begin when a share o of its predecessor's outputs is there, all but the last count o times. A *pipelined* chip
starts a new step whenever its slowest layer is free again,

.. math:: D(T) = \sum_l d_l + (T - 1) \max_l d_l,

so each step after the first saves :math:`\sum_l d_l - \max_l d_l`, which stands in the ledgers as a negative latency
of the component ``overlap``. A sample that leaves after step t has its answer at D(t), when later steps are already on
their way: layer l of step t + j has begun if :math:`j \max_i d_i + \sum_{i<l} d_i < \sum_i d_i`. Their energy is spent
in vain and stands in the component ``speculation``.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

FloatArray = NDArray[np.float64]
OVERLAP, SPECULATION = "overlap", "speculation"


class Schedule(BaseModel):
    """Order in which layers and timesteps are computed.

    Examples
    --------
    >>> Schedule(mode="pipelined").saved(np.array([[3.0, 2.0], [3.0, 2.0]]))
    array([ 0., -2.])
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Literal["sequential", "pipelined"] = Field(default="sequential", description="one step at a time, or not")
    layer_overlap: float = Field(
        default=1.0, gt=0, le=1, allow_inf_nan=False, description="share of a layer that the next one waits for"
    )

    def weights(self, n_layers: int) -> FloatArray:
        """Share of its own time (L + 1,) that each layer adds to that of a step; the chip's entry counts whole."""
        return np.where(np.arange(n_layers + 1) < n_layers - 1, self.layer_overlap, 1.0)

    def saved(self, durations: FloatArray) -> FloatArray:
        """Latency (..., T), at most 0, that overlapping steps add to those of layers (..., T, L)."""
        if self.mode == "sequential":
            return np.zeros(durations.shape[:-1])
        saved = durations.max(-1) - durations.sum(-1)
        saved[..., 0] = 0
        return np.asarray(saved)

    def in_vain(self, durations: FloatArray, energies: FloatArray) -> FloatArray:
        """Energy (T, L) of layers of later steps that have begun when a sample leaves after step 1, 2, ..., T.

        Parameters
        ----------
        durations, energies : float arrays of shape (T, L)
            Time and energy of each layer at each step; times are taken as those of the first step.

        Examples
        --------
        >>> Schedule(mode="pipelined").in_vain(np.full((3, 2), 1.0), np.full((3, 2), 5.0)).tolist()
        [[5.0, 0.0], [5.0, 0.0], [0.0, 0.0]]
        """
        wasted = np.zeros_like(energies)
        if self.mode == "sequential":
            return wasted
        time, n_steps = durations[0], len(energies)
        begins = np.cumsum(time) - time
        for ahead in range(1, n_steps):
            has_begun = ahead * time.max() + begins < time.sum() * (1 - 1e-12)
            if not has_begun.any():
                break
            wasted[: n_steps - ahead] += energies[ahead:] * has_begun
        return wasted
