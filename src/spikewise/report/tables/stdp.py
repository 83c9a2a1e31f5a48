"""The figures of a run without labels as one table for the terminal, each beside what it must be compared with."""

from collections.abc import Mapping
from dataclasses import asdict

from rich.table import Table

from spikewise.energy.measurement import INFERENCE, INFERENCE_EXIT, LABELLING, TRAINING, Measurement
from spikewise.report.wording import caption_of, joules_of, remarks_of
from spikewise.runs.results import AccessFigures, Settings, STDPResults
from spikewise.units import format_share, format_si

from .rows import Row, price_sections

_DECODERS = {"naive_bayes": "naive Bayes", "proportion": "proportion", "votes": "votes"}
_MISSING = "–"


def stdp_table(results: STDPResults) -> Table:
    """Everything that :func:`~spikewise.workflow.stdp.run_stdp` found."""
    data, asked, measured = results.data, results.settings, results.measured
    table = Table(
        title=f"{data.name}: {asked['n_neurons']} neurons, rule {asked['rule']}, {_precision(asked)}",
        caption=f"{data.n_train:,} images to learn from, {data.n_validation:,} to choose the threshold on, "
        f"{data.n_test:,} to test. {caption_of(remarks_of(measured))}",
        caption_justify="left",
    )
    table.add_column("")
    for header in ("all steps", "early exit"):
        table.add_column(header, justify="right")
    for section in (
        _accuracies(results),
        _effort(results),
        _operations(results.operations),
        *price_sections(results.cost),
        _measured(measured),
        _learning(results),
    ):
        table.add_section()
        for row in section:
            table.add_row(*row)
    return table


def _precision(asked: Settings) -> str:
    bits = asked["n_bits"]
    words = "floats" if bits is None else f"{bits} bits, {asked['rounding']} rounding"
    return words if asked["batch_size"] == 1 else f"{words}, batches of {asked['batch_size']}"


def _accuracies(results: STDPResults) -> list[Row]:
    chosen, accuracy = results.settings["decoder"], results.exit.figures.accuracy
    rows: list[Row] = [
        (
            f"accuracy, {word}{' (chosen)' if name == chosen else ''}",
            f"{results.accuracy_by_decoder[name]:.2%}",
            f"{accuracy:.2%}" if name == chosen else "",
        )
        for name, word in sorted(_DECODERS.items(), key=lambda item: item[0] != chosen)
    ]
    for control, word in (
        (results.controls.random_exit, "control: as many steps, at random"),
        (results.controls.truncated, "control: all cut at one step"),
        (results.controls.first_spike, "control: stop at the first output spike"),
    ):
        if control is not None:
            rows.append((word, "", f"{control.accuracy:.2%} @ {control.mean_steps:.1f}"))
    return rows


def _effort(results: STDPResults) -> list[Row]:
    exits, cpu = results.exit.figures, results.cpu_s
    return [
        ("mean timesteps", str(exits.n_steps), f"{exits.mean_steps:.1f}"),
        ("input spikes", format_share(1), format_share(exits.in_spike_share)),
        ("CPU time per image, one thread", _seconds(cpu.inference), _seconds(cpu.inference_exit)),
    ]


def _operations(operations: Mapping[str, AccessFigures]) -> list[Row]:
    if "inference" not in operations:
        return []
    full, stopped = asdict(operations["inference"]), asdict(operations["inference_exit"])
    return [(f"{key.replace('_', ' ')} per image", _count(full[key]), _count(stopped[key])) for key in full]


def _measured(measured: Mapping[str, Measurement]) -> list[Row]:
    """What the machine took, which is no estimate of a chip."""
    full, stopped, training = (joules_of(measured.get(stage)) for stage in (INFERENCE, INFERENCE_EXIT, TRAINING))
    rows: list[Row] = [
        ("measured energy, this machine", "", ""),
        ("  answering, per image", full, stopped),
        ("  learning, per sample", training, ""),
    ]
    if LABELLING in measured:
        rows.append(("  labelling, per sample", joules_of(measured[LABELLING]), ""))
    return rows


def _learning(results: STDPResults) -> list[Row]:
    health, training = results.health, results.operations.get("training")
    spent = _MISSING if training is None else _count(sum(asdict(training).values()))
    return [
        ("learning: CPU time, operations per image", _seconds(results.cpu_s.training_sample), spent),
        (
            "learning: live neurons, silent images",
            format_share(health.figures.live_share),
            format_share(health.figures.silent_share),
        ),
    ]


def _seconds(value: float | None) -> str:
    return _MISSING if value is None else format_si(value, "s")


def _count(value: float) -> str:
    return format_si(value, "").strip()
