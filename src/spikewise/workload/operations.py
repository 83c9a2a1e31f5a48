"""Elementary operations of a network, counted by component and independent of hardware.

Components are the steps of an engine (integration, leak, inhibition, plasticity, ...), operations what each
of them does (weight reads, additions, ...). Counts are means per sample.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from spikewise.errors import positive_number


@dataclass(frozen=True, slots=True)
class Operations:
    """Elementary operations, as a mean per sample."""

    weight_reads: float = 0.0
    weight_writes: float = 0.0
    state_reads: float = 0.0
    state_writes: float = 0.0
    additions: float = 0.0
    multiplications: float = 0.0
    exponentials: float = 0.0
    comparisons: float = 0.0
    random_numbers: float = 0.0

    def __post_init__(self) -> None:
        for item in fields(self):
            count = positive_number(item.name, getattr(self, item.name), math.inf, zero=True)
            object.__setattr__(self, item.name, count)

    def __add__(self, other: Operations) -> Operations:
        return Operations(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})


@dataclass(frozen=True, slots=True)
class OperationCounts:
    """Operations by component (integration, leak, inhibition, plasticity, ...), for training and for inference."""

    inference: Mapping[str, Operations] = field(default_factory=dict)
    training: Mapping[str, Operations] = field(default_factory=dict)

    @property
    def inference_total(self) -> Operations:
        """Operations of one inference, summed over the components."""
        return sum(self.inference.values(), Operations())

    @property
    def training_total(self) -> Operations:
        """Operations of learning from one sample, summed over the components."""
        return sum(self.training.values(), Operations())
