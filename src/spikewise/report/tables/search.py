"""What a search found, as tables for the terminal: the front, and the choice beside that of FSpiNN's algorithm."""

from collections.abc import Callable

from rich.table import Table

from spikewise.runs.results import DesignFigures, DesignTest, SearchResults
from spikewise.units import format_memory, format_si

_MOST_ROWS = 20


def search_tables(results: SearchResults) -> list[Table]:
    """Front and choice."""
    return [_front(results), _choice(results)]


def _front(results: SearchResults) -> Table:
    rows = results.front
    table = Table(title=f"front of {results.data}", caption=_counts(results), caption_justify="left")
    table.add_column("design", no_wrap=True)
    table.add_column("exit may cost")
    for header in ("accuracy", "memory", "energy", "mean steps"):
        table.add_column(header, justify="right")
    skip = max(1, -(-len(rows) // _MOST_ROWS))
    for row in rows[::skip]:
        table.add_row(row.name, f"{row.max_drop:.1%}", *_figures(row), f"{row.mean_steps:.1f}")
    if skip > 1:
        table.add_row(f"… one of {skip} of {len(rows)}", "", "", "", "", "")
    return table


def _choice(results: SearchResults) -> Table:
    table = Table(title="the choice", caption=_reasons(results), caption_justify="left")
    table.add_column("", overflow="fold")
    for header in ("search", "FSpiNN's algorithm"):
        table.add_column(header, justify="right")
    taken = (results.chosen, results.fspinn)
    pair = [each.figures if each else None for each in taken]
    table.add_row("design", *(row.name if row else "none" for row in pair))
    for place, title in enumerate(("accuracy, validation", "memory", "energy of an answer")):
        table.add_row(title, *(_figures(row)[place] if row else "" for row in pair))
    table.add_row("timesteps", *(f"{row.mean_steps:.1f}" if row else "" for row in pair))
    table.add_row("designs trained", str(results.n_trained), str(results.n_trained_fspinn))
    table.add_row("hypervolume", *(f"{results.hypervolume[key]:.4f}" for key in ("search", "fspinn")))
    tests = [each.test if each else None for each in taken]
    if tests[0] is not None:
        table.add_section()
        for title, text in _OF_A_TEST:
            table.add_row(title.format(tests[0].n_test), *(text(test) if test else "" for test in tests))
    return table


_OF_A_TEST: tuple[tuple[str, Callable[[DesignTest], str]], ...] = (
    ("accuracy, {:,} test images", lambda test: f"{test.accuracy_exit:.2%}"),
    ("  without early exit", lambda test: f"{test.accuracy:.2%}"),
    ("energy of an answer, test", lambda test: format_si(test.energy_j, "J")),
    ("keeps the budget", lambda test: "no" if test.exceeded else "yes"),
)


def _figures(row: DesignFigures) -> tuple[str, str, str]:
    return f"{row.accuracy:.2%}", format_memory(row.memory_bits), format_si(row.energy_j, "J")


def _counts(results: SearchResults) -> str:
    text = (
        f"{results.n_designs} designs, {results.n_feasible} of them within the budget before training "
        f"({results.strategy}). Trained: {results.n_trained}; given up after a look: {results.n_hopeless}; "
        f"over budget and trained: {results.n_over_budget_trained}. "
    )
    ratios = results.energy_measured_by_predicted
    if ratios:
        low, middle, high = ratios
        text += f"Energy of full runs, measured by predicted: {middle:.2f} ({low:.2f} to {high:.2f}). "
    if results.n_over_budget_measured:
        text += f"{results.n_over_budget_measured} turned out to miss the budget and are not on the front. "
    return text.strip()


def _reasons(results: SearchResults) -> str:
    chosen = results.chosen
    if chosen is None:
        return "No trained design kept the budget. Try more designs (--trials), or raise a limit."
    text = "; ".join(chosen.reasons or []) + ". "
    if not results.judged_apart:
        text += "Validation images are few, so the same ones chose thresholds and judged them. "
    return text + (
        "The best of many flatters itself on validation images; the test images do not. FSpiNN's algorithm is our "
        "reconstruction, with the same exits to choose from; its designs are among those of the search."
    )
