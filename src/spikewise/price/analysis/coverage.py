"""Coverage: what a price includes, in the same terms for all kinds of platforms, so that prices can be compared.

Platforms name their parts differently: the periphery of one chip is buffer, shift-add and accumulation of another. So
each part is mapped to terms of :data:`TERMS`. A term is included ("yes"), included in latency only ("time only"), left
out ("no"), or the platform has no such hardware ("n/a").
"""

from typing import Literal, get_args

from spikewise._arguments import checks_arguments
from spikewise.price.imc.chip import ImcChip
from spikewise.price.imc.schedule import SPECULATION
from spikewise.price.protocol import Platform, as_platform

Included = Literal["yes", "time only", "no", "n/a"]
Term = Literal[
    "weighted sums", "converters", "drivers", "buffers", "accumulation", "interconnect", "neurons and states",
    "exit unit", "control and clock", "leakage", "off-chip memory", "once per inference", "speculation",
]  # fmt: skip
TERMS: tuple[Term, ...] = get_args(Term)
OTHERS = "other parts"

_PARTS: dict[str, tuple[Term, ...]] = {
    "crossbar": ("weighted sums",),
    "adc": ("converters",), "mux": ("converters",),
    "row_driver": ("drivers",), "driver": ("drivers",), "dac": ("drivers",),
    "buffer": ("buffers",), "global_buffer": ("buffers",), "tile_buffer": ("buffers",),
    "temporary_buffer": ("buffers",), "fetch": ("buffers",), "input_memory": ("buffers",), "kept_sums": ("buffers",),
    "periphery": ("buffers", "accumulation"),
    "shift_add": ("accumulation",), "accumulation": ("accumulation",), "subtract": ("accumulation",),
    "htree": ("interconnect",), "noc": ("interconnect",),
    "lif": ("neurons and states",), "neuron_memory": ("neurons and states",),
    "exit_unit": ("exit unit",),
    "control": ("control and clock",), "clock": ("control and clock",),
    "input_load": ("off-chip memory",),
}  # fmt: skip
"""Terms of the parts of crossbar chips, by the names that the presets use."""

_KINDS: dict[str, dict[Term, Included]] = {
    "digital": {
        "converters": "n/a", "drivers": "n/a", "interconnect": "no", "exit unit": "no", "control and clock": "no",
        "speculation": "n/a",
    },
    "roofline": {
        "converters": "n/a", "drivers": "n/a", "buffers": "no", "interconnect": "n/a", "exit unit": "no",
        "speculation": "n/a",
    },
    "neuromorphic": {
        "converters": "n/a", "drivers": "n/a", "exit unit": "no", "control and clock": "time only", "leakage": "no",
        "off-chip memory": "no", "speculation": "n/a",
    },
}  # fmt: skip
"""Terms that prices on other kinds of platforms do not fully include; all other terms are included."""


@checks_arguments
def coverage_of(platform: Platform) -> dict[str, Included]:
    """Return for every term of :data:`TERMS` whether the price of a platform includes it.

    Parts of a chip with unknown names are listed as "other parts".

    Examples
    --------
    >>> from spikewise.price import load_platform
    >>> coverage_of(load_platform("rram-64-32nm"))["drivers"], coverage_of(load_platform("digital-45nm"))["converters"]
    ('no', 'n/a')
    """
    platform = as_platform(platform)
    if isinstance(platform, ImcChip):
        return _coverage_of_chip(platform)
    exceptions = _KINDS.get(platform.kind, {})
    return {term: exceptions.get(term, "yes") for term in TERMS}


def unnamed_parts(platform: Platform) -> tuple[str, ...]:
    """Return the parts of a chip that :func:`coverage_of` lists as "other parts".

    Examples
    --------
    >>> from spikewise.price import load_platform
    >>> unnamed_parts(load_platform("sram-22nm"))
    ()
    """
    parts = platform.components if isinstance(platform, ImcChip) else ()
    return tuple(name for name in parts if name not in _PARTS)


def _coverage_of_chip(chip: ImcChip) -> dict[str, Included]:
    """Return the coverage of a chip: a term is included if a part of that term takes energy, or else time."""
    found: dict[str, Included] = dict.fromkeys(TERMS, "no")
    for name, part in chip.components.items():
        taken: Included = "yes" if part.energy or part.once else "time only" if part.latency else "no"
        for term in _PARTS.get(name, (OTHERS,)):
            # Several parts may have one term: "yes" of any part stays.
            if found.get(term, "no") != "yes" and taken != "no":
                found[term] = taken
        if part.leakage:
            found["leakage"] = "yes"
        if part.once:
            found["once per inference"] = "yes"
    if chip.fixed.mode != "none":
        found["once per inference"] = "yes"
    found[SPECULATION] = "yes" if chip.schedule.mode == "pipelined" else "n/a"
    return found
