r"""Work that a chip does once per inference: four ways to charge it, and a band that spans them.

DT-SNN (arXiv 2305.17346) reports that eight steps cost 4.9 times the energy of one step. With s the energy of a step,
this means a fixed part F, :math:`E(t) = F + t s`. The paper does not say which work F contains, so the mode is a
setting:

``fit_proportional``
    :math:`F = r s` for *each* network, with :math:`(r + 8)/(r + 1) = 4.9`, so r = 3.1/3.9.
``fit_per_crossbar``
    F of the network that the paper measured, divided by the number of its crossbars. F is then large for fully
    connected layers, which read each crossbar once per step, and small for convolutions, which read it at every
    position.
``first_layer``
    No fitted constant: layers marked ``once_per_inference`` (a direct-coded image at the first layer) are computed
    once, bit by bit of their input, in energy and in latency.
``none``
    F is 0.

A platform may also give the constants of other modes, so that a platform that extends it need only set ``fixed.mode``.
F stands for *all* work done once, so a fitted mode charges marked layers at every step: otherwise they would count
twice. For a chip with a fitted constant it is unknown which mode is right, so its low and high corners are those of the
modes in which the network is cheapest and most expensive.
"""

from typing import Annotated, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from spikewise.price.accounts import Accounts
from spikewise.price.cost import ONCE_MODES, OnceMode
from spikewise.price.ledger import FloatArray
from spikewise.price.quantity import Quantity, Ratio, of_dimension


class FixedCost(BaseModel):
    """Energy paid once per inference, whatever the number of steps.

    Examples
    --------
    >>> FixedCost(mode="none").modes(has_once_layers=True)
    ('none',)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: OnceMode = Field(description="what is once")
    ratio: Ratio | None = Field(default=None, description="F over the energy of a step, for fit_proportional")
    per_crossbar: Annotated[Quantity, of_dimension("energy")] | None = Field(
        default=None, description="F over the number of crossbars, for fit_per_crossbar"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        for key, mode in (("ratio", "fit_proportional"), ("per_crossbar", "fit_per_crossbar")):
            if self.mode == mode and getattr(self, key) is None:
                raise ValueError(f"{key} must be given if mode is {mode}")
        return self

    def modes(self, has_once_layers: bool) -> tuple[OnceMode, ...]:
        """Return the mode itself, then, if it is a fitted one, all others for which the constants are given."""
        if not self.mode.startswith("fit_"):
            return (self.mode,)
        can = {
            "fit_proportional": self.ratio is not None,
            "fit_per_crossbar": self.per_crossbar is not None,
            "first_layer": has_once_layers,
            "none": True,
        }
        return (self.mode, *(mode for mode in ONCE_MODES if can[mode] and mode != self.mode))

    def joules(self, mode: OnceMode, accounts: Accounts, n_crossbars: float) -> FloatArray:
        """Return low, nominal and high F (3,) in a mode, from all other charges and the number of crossbars."""
        if mode == "fit_proportional" and self.ratio is not None:
            return np.asarray(self.ratio.corners * accounts.per_step_j)
        if mode == "fit_per_crossbar" and self.per_crossbar is not None:
            return np.asarray(self.per_crossbar.corners * n_crossbars)
        return np.zeros(3)
