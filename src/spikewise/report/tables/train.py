"""The figures of a run with gradients as one table for the terminal: every timestep, then early exit and its price."""

from rich.table import Table

from spikewise.report.wording import STAGES, caption_of, joules_of, remarks_of
from spikewise.runs.results import TrainResults

from .rows import price_sections

_MOST_STEPS = 8  # that have a row each


def train_table(results: TrainResults) -> Table:
    """Everything that :func:`~spikewise.workflow.train.run_train` found."""
    data, asked, training, measured = results.data, results.settings, results.training, results.measured
    table = Table(
        title=f"{data.name}: {asked['model']}, {results.n_parameters / 1e6:.2f} M weights, {asked['loss']} loss",
        caption=f"{data.n_train:,} images to learn from, {data.n_validation:,} to choose epoch "
        f"({results.best_epoch} of {asked['epochs']}) and threshold on, {data.n_test:,} to test. "
        f"{training.images_per_s:,.0f} images/s on {training.device} in {training.precision}. "
        f"{caption_of(remarks_of(measured))}",
        caption_justify="left",
    )
    table.add_column("accuracy")
    for header in ("validation", "test"):
        table.add_column(header, justify="right")
    by_step = results.validation_accuracy_by_step
    shown = [step for step in map(int, results.accuracy_by_step) if step <= _MOST_STEPS or step == len(by_step)]
    for step in shown:
        table.add_row(f"after step {step}", f"{by_step[step - 1]:.2%}", f"{results.accuracy_by_step[str(step)]:.2%}")
    found, controls = results.exit, results.controls
    table.add_section()
    table.add_row(f"early exit, {found.mean_steps:.2f} steps", "", f"{found.accuracy:.2%}")
    table.add_row("  as many steps, at random", "", f"{controls.random_exit.accuracy:.2%}")
    cut = controls.truncated
    table.add_row(f"  all cut at step {cut.mean_steps:.0f}", "", f"{cut.accuracy:.2%}")
    for section in price_sections(results.cost):
        table.add_section()
        for row in section:
            table.add_row(*row)
    table.add_section()
    table.add_row("measured energy, this machine")
    for stage, name in STAGES.items():
        if stage in measured:
            table.add_row(f"  {name}", "", joules_of(measured[stage]))
    return table
