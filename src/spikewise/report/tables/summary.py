"""The table at the top of a report page: a column per exit setting, a row per figure.

An accuracy stands with its interval, a price with its band and after it the price on the platform that it must not
stand without. What the machine itself took is said to be measured. What is missing is a dash.
"""

from collections.abc import Callable
from dataclasses import dataclass

from scipy.stats import binomtest

from spikewise.energy.measurement import INFERENCE, INFERENCE_EXIT, TRAINING
from spikewise.price.cost import CostReport
from spikewise.report.wording import joules_of, seconds_of, words_of
from spikewise.runs.contents import RunContents
from spikewise.runs.exit_folder import ExitFolder
from spikewise.runs.exit_record import ExitRecord
from spikewise.units import format_area, format_memory, format_share, format_si


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure of the summary, and remarks below it."""

    main: str
    notes: tuple[str, ...] = ()


_MISSING = Cell("–")
_Row = Callable[[RunContents, ExitFolder | None], Cell]


def _of_exit(show: Callable[[ExitRecord], Cell]) -> _Row:
    return lambda run, found: show(found.record) if found else _MISSING


def _of_cost(show: Callable[[CostReport], Cell], place: int = 0) -> _Row:
    """A figure of the platform that was asked for (place 0), or of those beside it (from 1 on)."""

    def cell(run: RunContents, found: ExitFolder | None) -> Cell:
        return show(found.prices[place]) if found and len(found.prices) > place else _MISSING

    return cell


def _accuracy(share: float, n_test: int) -> Cell:
    """An accuracy with its 95 % Wilson interval: what so few images can tell."""
    interval = binomtest(round(share * n_test), n_test).proportion_ci(method="wilson")
    return Cell(format_share(share), (f"{100 * interval.low:.1f} to {format_share(interval.high)}",))


def _optional(share: float | None) -> Cell:
    return _MISSING if share is None else Cell(format_share(share))


def _first_spike(figures: ExitRecord) -> Cell:
    if figures.first_spike_steps is None:
        return _MISSING
    return Cell(_optional(figures.accuracy_first_spike).main, (f"after {figures.first_spike_steps:.3g} steps",))


def _threshold(figures: ExitRecord) -> Cell:
    chosen = figures.calibration
    return Cell(
        words_of(figures.rule),
        (
            f"{figures.threshold}, chosen on {chosen.n_samples} validation images",
            *_promise(figures),
        ),
    )


def _promise(figures: ExitRecord) -> tuple[str, ...]:
    """What the threshold was chosen for, and with a guarantee how sure it is."""
    asked, chosen = figures.asked, figures.calibration
    if asked.max_steps is not None:
        return (f"for at most {asked.max_steps:g} mean steps",)
    if asked.max_energy_j is not None:
        return (f"for at most {format_si(asked.max_energy_j, 'J')} on {asked.platform}",)
    if asked.max_edp_js is not None:
        return (f"for an energy-delay product of at most {format_si(asked.max_edp_js, 'J s')} on {asked.platform}",)
    what = "a loss" if asked.form == "drop" else "answers spoiled"
    words = [f"tolerating {what} of {_points(chosen.max_drop or 0.0)}"]
    if asked.conditional:
        words.append("also among those that have left by each step")
    if figures.threshold == "guarantee":
        words.append(f"{100 * (asked.confidence or 0.0):.6g} % sure")
    elif chosen.n_needed is not None:
        words.append(f"no guarantee: it needs at least {chosen.n_needed} images kept out of everything else")
        if chosen.n_to_halve is not None:
            words.append(f"for that, half of at least {chosen.n_to_halve} validation images")
    return tuple(words)


def _steps(figures: ExitRecord) -> Cell:
    return Cell(
        f"{figures.mean_steps:.3g} of {figures.n_steps}",
        (f"median {figures.median_steps:g}, 95 % within {figures.p95_steps:g}",),
    )


def _wall_time(run: RunContents, found: ExitFolder | None) -> Cell:
    if found is None:
        return _MISSING
    times = [run.record["timings"].get(f"test_{which}_s ({found.name})") for which in ("full", "exit")]
    full, stopped = (value if isinstance(value, (int, float)) and value > 0 else None for value in times)
    if full is None or stopped is None:
        return Cell("–", ("not measured",))
    ratio = f"{full / stopped:.1f} × faster" if stopped <= full else f"{stopped / full:.1f} × slower"
    return Cell(ratio, (f"all test images: {format_si(stopped, 's')} instead of {format_si(full, 's')}",))


def _measured(stage: str) -> _Row:
    """Energy that was measured, and the time it took; without a counter, the time alone."""

    def cell(run: RunContents, found: ExitFolder | None) -> Cell:
        taken = run.measured(found).get(stage)
        return Cell(joules_of(taken), (f"in {seconds_of(taken)}",) if taken else ())

    return cell


def _priced(figure: str, show: Callable[[float], str], is_saved: bool) -> Callable[[CostReport], Cell]:
    def cell(cost: CostReport) -> Cell:
        low, nominal, high = cost.band(figure)
        full = float(getattr(cost.static, figure))
        saving = (f"{format_share(1 - nominal / full)} saved",) if is_saved and full else ()
        return Cell(show(nominal), (f"{show(low)} to {show(high)}", *saving))

    return cell


def _edp_saving(cost: CostReport) -> Cell:
    low, nominal, high = cost.band("edp_saving")
    return Cell(format_share(nominal), (f"{100 * low:.1f} to {format_share(high)}",))


def _platform(cost: CostReport) -> Cell:
    return Cell(cost.platform, (f"weakest constant: {cost.weakest_tag}",))


_PRICED: tuple[tuple[str, Callable[[CostReport], Cell]], ...] = (
    ("Energy per image", _priced("energy_j", lambda value: format_si(value, "J"), True)),
    ("Latency", _priced("latency_s", lambda value: format_si(value, "s"), True)),
    ("EDP saving", _edp_saving),
    ("Chip area", _priced("area_m2", format_area, False)),
    ("Memory", lambda cost: Cell(format_memory(cost.memory_bits))),
)

ROWS: tuple[tuple[str, _Row], ...] = (
    ("Accuracy, all steps", _of_exit(lambda f: _accuracy(f.accuracy_full, f.n_test))),
    ("Accuracy with exit", _of_exit(lambda f: _accuracy(f.accuracy_exit, f.n_test))),
    ("Random-exit control", _of_exit(lambda f: Cell(format_share(f.accuracy_random_exit)))),
    ("Truncation control", _of_exit(lambda f: _optional(f.accuracy_truncated))),
    ("First-spike control", _of_exit(_first_spike)),
    ("Mean steps", _of_exit(_steps)),
    ("Threshold", _of_exit(_threshold)),
    ("Estimate for", _of_cost(_platform)),
    *((name, _of_cost(show)) for name, show in _PRICED),
    ("Beside it, estimate for", _of_cost(_platform, 1)),
    *((f"{name}, beside", _of_cost(show, 1)) for name, show in _PRICED),
    ("Measured: wall time", _wall_time),
    ("Measured: energy per image, all steps", _measured(INFERENCE)),
    ("Measured: energy per image, with exit", _measured(INFERENCE_EXIT)),
    ("Measured: energy of learning, per sample", _measured(TRAINING)),
)


def _points(fraction: float) -> str:
    """A difference of accuracies: percentage points, so that nobody takes it for a ratio."""
    return f"{100 * fraction:g} {'point' if 100 * fraction == 1 else 'points'}"
