"""Words among which settings choose and which several folders share: in one place that is quick to import.

The command line shows them before anything heavy is loaded.
"""

from __future__ import annotations

from typing import Literal

Rounding = Literal["truncate", "nearest", "stochastic"]
"""How numbers are put into fixed point."""
Bits = int | None | Literal["auto"]
"""Bits of a weight; None for floats, "auto" for what the rule is made for."""
Accumulate = Literal["sum", "mean"]
"""How outputs of several steps become evidence."""
Form = Literal["drop", "harm"]
"""What a guarantee of early exit is about: loss of accuracy, or answers spoiled."""
Strategy = Literal["auto", "enumerate", "sample", "fspinn"]
"""In which order a search tries designs."""
