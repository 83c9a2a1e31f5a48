r"""Schedule of layers and timesteps: the latency of a chip, and the energy that a pipeline wastes on early exits.

With :math:`d_l` the time of layer l for one step and o the share of a layer's outputs that the next layer waits for,
layer l begins at :math:`b_l = o \sum_{i<l} d_i` and a step takes :math:`M = \max_l (b_l + d_l)`. With o = 1 all layers
run one after the other; a step never takes less than its slowest layer. A *sequential* chip needs :math:`D(T) = T M`. A
*pipelined* one begins a new step whenever its slowest layer is free again,

.. math:: D(T) = M + (T - 1) \max_l d_l.

The difference to :math:`T \sum_l d_l` is entered in the ledgers as latency of the component ``overlap``, mostly
negative, so that every layer shows its own time and breakdowns still sum. A sample that leaves after step t has its
answer at D(t), when later steps have begun already: layer l of step t + j has begun if
:math:`j \max_i d_i + b_l < M`. Their energy is wasted, and is entered in the component ``speculation``.
"""

from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from spikewise.price.ledger import FloatArray

OVERLAP, SPECULATION = "overlap", "speculation"


class Schedule(BaseModel):
    """Order in which layers and timesteps are computed.

    Examples
    --------
    >>> Schedule(mode="pipelined").overlap(np.array([[3.0, 2.0], [3.0, 2.0]]))
    array([ 0., -2.])
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Literal["sequential", "pipelined"] = Field(default="sequential", description="one step at a time, or not")
    layer_overlap: float = Field(
        default=1.0, gt=0, le=1, allow_inf_nan=False, description="share of a layer that the next one waits for"
    )

    @property
    def overlaps(self) -> bool:
        """Whether latency is anything but the sum over layers and steps."""
        return self.mode == "pipelined" or self.layer_overlap < 1

    def begins(self, durations: FloatArray) -> FloatArray:
        """Return when each layer begins (..., L), from the times of the layers (..., L)."""
        return np.asarray(self.layer_overlap * (np.cumsum(durations, -1) - durations))

    def overlap(self, durations: FloatArray) -> FloatArray:
        """Return the latency (..., T) to add to the sum of the layers' times (..., T, L); it is mostly negative."""
        steps = (self.begins(durations) + durations).max(-1)
        if self.mode == "pipelined":
            # From the second step on, the slowest layer sets the pace.
            steps[..., 1:] = durations[..., 1:, :].max(-1)
        return np.asarray(steps - durations.sum(-1))

    def in_vain(self, durations: FloatArray, energies: FloatArray) -> FloatArray:
        """Return the energy (T, L) of layers of later steps that have begun when a sample leaves after each step.

        Parameters
        ----------
        durations, energies : float arrays of shape (T, L)
            Time and energy of each layer at each step; the times of the first step are used for all.

        Examples
        --------
        >>> Schedule(mode="pipelined").in_vain(np.full((3, 2), 1.0), np.full((3, 2), 5.0)).tolist()
        [[5.0, 0.0], [5.0, 0.0], [0.0, 0.0]]
        """
        wasted = np.zeros_like(energies)
        if self.mode == "sequential":
            return wasted
        time, n_steps = durations[0], len(energies)
        begins = self.begins(time)
        # Slightly earlier: by rounding, a layer that begins at the moment of the answer could count as begun.
        answer = (begins + time).max() * (1 - 1e-12)
        for ahead in range(1, n_steps):
            has_begun = ahead * time.max() + begins < answer
            if not has_begun.any():
                break
            wasted[: n_steps - ahead] += energies[ahead:] * has_begun
        return wasted
