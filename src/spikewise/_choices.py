"""Allowed values of settings that several folders share, in a module that imports quickly.

The command line lists these values in its help before it loads any large library.
"""

from typing import Literal

Rounding = Literal["truncate", "nearest", "stochastic"]
"""How a number is rounded to fixed point."""
Bits = int | None | Literal["auto"]
"""Bits of a weight; None for floats, "auto" for the default of the learning rule."""
Accumulate = Literal["sum", "mean"]
"""How the outputs of several timesteps are combined into class scores."""
Form = Literal["drop", "harm"]
"""What a guarantee of early exit bounds: loss of accuracy, or correct answers that become wrong."""
Strategy = Literal["auto", "enumerate", "sample", "fspinn"]
"""In which order a search tries designs."""
