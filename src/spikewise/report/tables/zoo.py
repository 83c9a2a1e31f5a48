"""The networks of the zoo, and the card of one, as tables for the terminal."""

from collections.abc import Sequence

from rich.table import Table

from spikewise.zoo.card import ModelCard


def zoo_table(cards: Sequence[ModelCard]) -> Table:
    """One row per network."""
    table = Table(
        title="networks of the zoo",
        caption="Accuracy on test images; exit for half a point at most, or the first setting of a card without.",
    )
    table.add_column("name", no_wrap=True)
    for header in ("weights", "accuracy", "with exit", "mean steps"):
        table.add_column(header, justify="right", no_wrap=True)
    for card in cards:
        found = card.exits.get(_HALF_A_POINT) or next(iter(card.exits.values()))
        table.add_row(
            card.name, f"{card.n_parameters:,}", f"{_last(card):.2%}", f"{found.accuracy:.2%}",
            f"{found.mean_steps:.2f} of {card.n_steps}",
        )  # fmt: skip
    return table


def card_table(card: ModelCard) -> Table:
    """A card: accuracy by step, and every exit setting with its savings."""
    data = card.data
    caption = (
        f"{card.command}\nseed {card.seed}; {data.n_train:,} images to learn from, {data.n_validation:,} to choose on, "
        f"{data.n_test:,} to test; these were looked at {len(card.test_evaluations)} times."
    )
    table = Table(title=f"{card.name}: {card.n_parameters:,} weights", caption=caption, caption_justify="left")
    table.add_column("")
    for header in ("accuracy", "mean steps", "exits at random"):
        table.add_column(header, justify="right")
    platforms = list(next(iter(card.exits.values())).edp_saving)
    for platform in platforms:
        table.add_column(f"EDP saved, {platform}", justify="right")
    shown = [step for step in card.accuracy if int(step) <= _FEW_STEPS or int(step) == card.n_steps]
    for step in shown:
        table.add_row(f"all steps to {step}", f"{card.accuracy[step]:.2%}", step, *[""] * (1 + len(platforms)))
    table.add_section()
    for name, found in card.exits.items():
        savings = (f"{found.edp_saving[platform]:.1%}" for platform in platforms)
        table.add_row(
            f"exit {name}", f"{found.accuracy:.2%}", f"{found.mean_steps:.2f}", f"{found.accuracy_random_exit:.2%}",
            *savings,
        )  # fmt: skip
    return table


_FEW_STEPS, _HALF_A_POINT = 8, "drop-0.005"


def _last(card: ModelCard) -> float:
    return card.accuracy[str(card.n_steps)]
