"""The figures of an exit setting as one table for the terminal: what was chosen, what it does, what it saves."""

from rich.table import Table

from spikewise.report.wording import words_of
from spikewise.runs.results import ExitResults
from spikewise.units import format_share, format_si

from .rows import price_sections

_MOST_STEPS = 8  # that have a row each


def exit_table(results: ExitResults) -> Table:
    """Everything that :func:`~spikewise.workflow.exit.run_exit` found."""
    found, controls = results.exit, results.controls
    table = Table(
        title=f"{results.data.name}: {words_of(found.rule)}",
        caption=f"{_promise(results)} Chosen on {results.calibration.n_samples:,} validation images, tested on "
        f"{results.data.n_test:,}. The test images have been looked at {results.n_test_evaluations} times.",
        caption_justify="left",
    )
    table.add_column("")
    for header in ("all steps", "early exit"):
        table.add_column(header, justify="right")
    by_step, n_steps = results.accuracy_by_step, found.n_steps
    for step in range(1, n_steps) if n_steps <= _MOST_STEPS else ():
        table.add_row(f"accuracy, all cut at step {step}", f"{by_step[str(step)]:.2%}", "")
    table.add_row("accuracy", f"{results.accuracy:.2%}", f"{found.accuracy:.2%}")
    table.add_row("  control: exit at random", "", f"{controls.random_exit.accuracy:.2%}")
    cut = controls.truncated
    table.add_row(f"  control: all cut at step {cut.mean_steps:.0f}", "", f"{cut.accuracy:.2%}")
    table.add_section()
    table.add_row("mean timesteps", str(n_steps), f"{found.mean_steps:.2f}")
    table.add_row("  median, 95 % within", "", f"{found.median_steps:g}, {found.p95_steps:g}")
    table.add_row("input spikes", format_share(1), format_share(found.in_spike_share))
    seconds = (format_si(each, "s") for each in (results.timing.full_s_per_image, results.timing.exit_s_per_image))
    table.add_row("wall time per image, step by step", *seconds)
    for section in price_sections(results.cost):
        table.add_section()
        for row in section:
            table.add_row(*row)
    return table


def _promise(results: ExitResults) -> str:
    """What can be relied on."""
    certificate, chosen = results.certificate, results.calibration
    if certificate and certificate.kind == "guarantee":
        points = f"{100 * certificate.max_drop:g}"
        what = f"costs at most {points} {'point' if points == '1' else 'points'} of accuracy"
        if certificate.form == "harm":
            what = f"spoils the answers to at most {points} % of the images"
        each = ", also among those that have left by each step" if certificate.conditional else ""
        found = f"Guarantee: {100 * certificate.confidence:.6g} % sure that early exit {what}{each}."
        if results.exit.mean_steps == results.exit.n_steps:
            found += " No bound passed, so it never stops early."
        if (n := results.n_certificates) > 1:
            found += f" It is one of {n} certificates of this run: so sure is each by itself, not the best of them."
        return found
    if chosen.n_needed is not None:
        found = f"A heuristic, no guarantee: that needs at least {chosen.n_needed:,} images kept out of everything else"
        if chosen.n_to_halve is not None:
            found += (
                ", and so few validation images are not halved: all of them chose the epoch. Train on data with at "
                f"least {chosen.n_to_halve:,} validation images"
            )
        return found + "."
    return "A heuristic: nothing is promised beyond the images it was chosen on."
