"""Exit rules, and what a run took on the machine that made it, in words for tables and the page."""

from collections.abc import Iterable, Mapping

from rich.table import Table

from spikewise.dynamic.rule import ConfidenceExit, EntropyExit, MarginExit, NeverExit
from spikewise.dynamic.uncertainty import PerStep, UncertaintyExit
from spikewise.energy.measurement import INFERENCE, INFERENCE_EXIT, LABELLING, TRAINING, Measurement
from spikewise.units import format_si

from .cells import new_table

STAGES = {
    TRAINING: "learning, per sample",
    LABELLING: "labelling, per sample",
    INFERENCE: "answering, per image",
    INFERENCE_EXIT: "answering with exit, per image",
}
"""Stages of a run, and what their figures are a mean of."""

NOT_MEASURED, NOT_RECORDED = "not measured", "not recorded"


def joules_of(found: Measurement | None) -> str:
    """Energy per sample, or that there is no figure.

    Examples
    --------
    >>> joules_of(Measurement(2.0, 30.0, "RAPL (package-0)", n_samples=100)), joules_of(None)
    ('300 mJ', 'not recorded')
    """
    if found is None:
        return NOT_RECORDED
    return NOT_MEASURED if found.joules_per_sample is None else format_si(found.joules_per_sample, "J")


def seconds_of(found: Measurement | None) -> str:
    """Time per sample, or a dash."""
    return "–" if found is None or found.seconds_per_sample is None else format_si(found.seconds_per_sample, "s")


def caption_of(remarks: Iterable[str]) -> str:
    """The remarks as the caption of a table.

    Examples
    --------
    >>> caption_of(["RAPL (package-0)"]), caption_of(["not measured: no counters."])
    ('Energy measured: RAPL (package-0)', 'Energy not measured: no counters.')
    """
    told = "; ".join(dict.fromkeys(remarks))
    return f"Energy {told}" if told.startswith("not ") else f"Energy measured: {told}"


def remarks_of(measured: Mapping[str, Measurement]) -> list[str]:
    """Where the joules come from, each source once; or why there are none, and what to do; and what is missing.

    Examples
    --------
    >>> remarks_of({"training": Measurement(2.0, 30.0, "RAPL (package-0)", n_samples=100, n_missing=20)})
    ['RAPL (package-0)', 'learning: 20 samples besides these 100 are not in the figures; a process was killed']
    """
    if not measured:
        return ["not recorded: this run was made before runs kept what they took"]
    sources = dict.fromkeys(found.source for found in measured.values())
    lost = measured.get(TRAINING)
    if lost is None or not lost.n_missing:
        return list(sources)
    told = f"{lost.n_missing:,} samples besides these {lost.n_samples:,} are not in the figures; a process was killed"
    return [*sources, f"learning: {told}"]


def measured_table(measured: Mapping[str, Measurement]) -> Table:
    """What a run took on the machine that made it, stage by stage."""
    caption = [
        caption_of(remarks_of(measured)),
        "of the machine that simulates the network, not of a chip built for it",
    ]
    table = new_table("measured on the machine that made the run", ("", "energy", "time", "samples"), caption)
    for stage, words in STAGES.items():
        if stage in measured:
            found = measured[stage]
            table.add_row(words, joules_of(found), seconds_of(found), f"{found.n_samples:,}")
    return table


_NEVER = "never stops early"


def words_of(rule: UncertaintyExit | NeverExit) -> str:
    """When a rule stops.

    Examples
    --------
    >>> words_of(EntropyExit(0.25)), words_of(MarginExit((3.0, 2.0)))
    ('entropy below 0.25', 'margin above 3, 2 by step')
    >>> words_of(EntropyExit(0.25, "sum", temperature=2.0))
    'entropy of the sum, tempered, below 0.25'
    >>> words_of(MarginExit.at(0.0))
    'never stops early'
    """
    if isinstance(rule, UncertaintyExit) and max(rule.bounds) <= 0:
        return _NEVER
    match rule:
        case EntropyExit(max_entropy=bound):
            return f"entropy{_of(rule)} below {_numbers(bound)}"
        case ConfidenceExit(min_confidence=bound):
            return f"confidence{_of(rule)} above {_numbers(bound)}"
        case MarginExit(min_margin=bound):
            return f"margin{_of(rule)} above {_numbers(bound)}"
    return _NEVER


def _of(rule: UncertaintyExit) -> str:
    """What is read, where it is not the plain mean: a bound means nothing without it."""
    tempered = ", tempered," if rule.temperature != 1.0 else ""
    return (" of the sum" if rule.accumulate == "sum" else "") + tempered


def _numbers(bound: PerStep) -> str:
    return ", ".join(f"{value:.3g}" for value in bound) + " by step" if isinstance(bound, tuple) else f"{bound:.3g}"
