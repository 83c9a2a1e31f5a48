"""Interactive charts as plain data: what plotly.js draws, without anything of plotly in Python.

Text colour, grid and font belong to the page, which knows whether the reader's screen is light or dark. The
colours here are of middle lightness, legible on both.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from spikewise.dynamic.curve import exit_curve
from spikewise.dynamic.exit_path import ExitPath
from spikewise.dynamic.trace import ScoreTrace
from spikewise.dynamic.uncertainty import UncertaintyExit
from spikewise.price.cost import CostReport
from spikewise.report.wording import words_of
from spikewise.runs.exit_record import ExitRecord
from spikewise.units import format_share, format_si

Chart = dict[str, Any]

_STATIC, _EXIT, _CONTROL = "#7f8896", "#3b86d1", "#d9534f"
_CHOSEN = ("#e8833a", "#2f9e77", "#a668c9", "#c2a11f")
_PARTS = (
    "#3b86d1", "#e8833a", "#6674d9", "#2f9e77", "#c2a11f", "#d9534f",
    "#a668c9", "#8f7355", "#2fa3b5", "#d46a9f", "#7aa83c", "#54789c",
)  # fmt: skip
_OTHER = "#9aa3ad"
_SMALL_SHARE = 0.02  # components below this share of the energy are drawn together
_LOG_FROM = 50  # steps from which a time axis is logarithmic
_N_BINS = 70


def accuracy_chart(trace: ScoreTrace, exits: Sequence[ExitRecord]) -> Chart:
    """Accuracy against mean timesteps: static network, every threshold, the chosen ones and their controls.

    Examples
    --------
    >>> chart = accuracy_chart(ScoreTrace.dense([[[1.0, 0.0]], [[1.0, 3.0]]], labels=[1]), [])
    >>> chart["data"][0]["name"], chart["data"][0]["y"]
    ('every image runs equally long', [0.0, 1.0])
    """
    static = trace.accuracy_by_step().tolist()
    data = [
        {
            "name": "every image runs equally long",
            "x": list(range(1, trace.n_steps + 1)),
            "y": static,
            "mode": "lines" if trace.n_steps >= _LOG_FROM else "lines+markers",
            "line": {"color": _STATIC, "width": 2},
            "hovertemplate": "all stop after step %{x}<br>accuracy %{y:.2%}<extra></extra>",
        }
    ]
    rules = [rule for rule in (each.rule for each in exits) if isinstance(rule, UncertaintyExit)]
    for settings in dict.fromkeys((rule.kind, rule.accumulate, rule.temperature) for rule in rules):
        curve = exit_curve(trace, ExitPath.of(*settings))
        # Many bounds give the same exits; the loosest of them stands for all.
        shown = np.flatnonzero(np.append(np.diff(curve.mean_steps) != 0, True))
        data.append(
            {
                "name": "every threshold (test set, not for choosing)",
                "x": curve.mean_steps[shown].tolist(),
                "y": curve.accuracy[shown].tolist(),
                "text": [words_of(curve.path.rules[place]) for place in shown],
                "mode": "lines+markers",
                "line": {"color": _EXIT, "width": 1.5},
                "marker": {"size": 4},
                "hovertemplate": "%{text}<br>%{x:.2f} steps on average<br>accuracy %{y:.2%}<extra></extra>",
            }
        )
    for each, color in zip(exits, _CHOSEN * len(exits), strict=False):
        data += _chosen_points(each, color, len(exits) > 1)
    values = [y for line in data for y in line["y"]]
    layout = _layout("mean timesteps", "accuracy")
    layout["xaxis"] |= _steps_axis(trace.n_steps)
    layout["yaxis"] |= {"tickformat": ".0%" if max(values) - min(values) > 0.1 else ".1%", "range": _range(values)}
    return {"data": data, "layout": layout}


def exit_chart(figures: ExitRecord) -> Chart:
    """How many images left at each step; long runs are counted in bins of equal width.

    The bins are counted back from the last step, where those gather that were never ready.
    """
    counts = np.asarray(figures.histogram)
    width = -(-figures.n_steps // _N_BINS)
    stops = np.arange(figures.n_steps, 0, -width)[::-1]
    starts = np.maximum(stops - width + 1, 1)
    heights = np.add.reduceat(counts, starts - 1)
    where = [f"step {a}" if a == b else f"steps {a} to {b}" for a, b in zip(starts, stops, strict=True)]
    bars = {
        "type": "bar",
        "x": ((starts + stops) / 2).tolist(),
        "y": heights.tolist(),
        "width": [0.9 * width if width > 1 else 0.6] * len(stops),
        "text": [f"{name}: {format_share(n / figures.n_test)}" for name, n in zip(where, heights, strict=True)],
        "textposition": "none",
        "marker": {"color": _EXIT},
        "hovertemplate": "%{text}<br>%{y} images<extra></extra>",
    }
    layout = _layout("timestep" if width == 1 else f"timestep, {width} to a bar", "images that leave")
    layout |= {"showlegend": False, "height": 260}
    layout["xaxis"] |= {"range": [0.4, figures.n_steps + width / 2 + 0.1], **_whole_steps(figures.n_steps)}
    return {"data": [bars], "layout": layout}


def energy_chart(cost: CostReport) -> Chart:
    """Energy per image as one bar per layer, stacked by component."""
    ledger = cost.ledger
    energy = ledger.once_energy_j + np.tensordot(cost.alive_shares, ledger.step_energy_j, 1)
    by_component = energy.sum(0)
    large = [c for c in np.argsort(-by_component).tolist() if by_component[c] > _SMALL_SHARE * energy.sum()]
    # The colour belongs to the component, so that it is the same for every network on one platform.
    columns = {escape(cost.components[c]): (energy[:, c], _PARTS[c % len(_PARTS)]) for c in large}
    rest = energy.sum(1) - energy[:, large].sum(1)
    if rest.sum() > 1e-9 * energy.sum():
        columns["other"] = (rest, _OTHER)
    scale, unit = _prefix(float(energy.sum(1).max()))
    data = [
        {
            "type": "bar",
            "orientation": "h",
            "name": name,
            "y": [escape(layer) for layer in cost.layers],
            "x": (values * scale).tolist(),
            "text": [format_si(value, "J") for value in values],
            "textposition": "none",
            "marker": {"color": color},
            "hovertemplate": f"{name} in %{{y}}<br>%{{text}}<extra></extra>",
        }
        for name, (values, color) in columns.items()
    ]
    layout = _layout(f"mean energy per image ({unit})", "")
    layout |= {"barmode": "stack", "height": 170 + 30 * len(cost.layers)}
    layout["legend"]["traceorder"] = "normal"
    layout["yaxis"] |= {"autorange": "reversed", "type": "category"}
    return {"data": data, "layout": layout}


def step_chart(cost: CostReport) -> Chart:
    """Energy per image of each step with early exit, and beside it without; step 0 is what is paid once."""
    spent, full = ([c.energy_j for c in report.breakdown("timestep").values()] for report in (cost, cost.static))
    steps = list(range(len(spent)))
    scale, unit = _prefix(max(full))
    names = ["paid once", *(f"step {step}" for step in steps[1:])]

    def line(name: str, values: Sequence[float], look: Mapping[str, Any]) -> dict[str, Any]:
        texts = [f"{where}: {format_si(value, 'J')}" for where, value in zip(names, values, strict=True)]
        return {
            "name": name, "x": steps, "y": [scale * value for value in values], "text": texts,
            "hovertemplate": "%{text}<extra>%{fullData.name}</extra>", **look,
        }  # fmt: skip

    is_long = cost.n_steps > _N_BINS
    bars = {"type": "bar", "marker": {"color": _EXIT}, "textposition": "none", "width": 0.6}
    filled = {"mode": "lines", "line": {"color": _EXIT, "shape": "hvh", "width": 1.5}, "fill": "tozeroy"}
    outline = {"mode": "lines" if is_long else "markers", "line": {"color": _STATIC, "shape": "hvh", "width": 2}}
    if not is_long:
        outline["marker"] = {"symbol": "line-ew", "size": 26, "line": {"color": _STATIC, "width": 2.5}}
    data = [line("with exit", spent, filled if is_long else bars), line("without", full, outline)]
    layout = _layout("timestep (0: paid once)", f"energy per image ({unit})")
    layout["height"] = 280
    layout["yaxis"] |= {"rangemode": "tozero"}
    layout["xaxis"] |= _whole_steps(cost.n_steps)
    return {"data": data, "layout": layout}


def _chosen_points(figures: ExitRecord, color: str, is_one_of_many: bool) -> list[dict[str, Any]]:
    suffix = f" ({escape(figures.name)})" if is_one_of_many else ""
    rule = figures.rule
    bound = words_of(rule)
    shared = {"x": [figures.mean_steps], "mode": "markers"}
    return [
        {
            **shared,
            "name": f"random exit{suffix}",
            "y": [figures.accuracy_random_exit],
            "marker": {"symbol": "x", "size": 10, "color": _CONTROL},
            "hovertemplate": "random exit at the same steps<br>accuracy %{y:.2%}<extra></extra>",
        },
        {
            **shared,
            "name": f"chosen threshold{suffix}",
            "y": [figures.accuracy_exit],
            "marker": {"symbol": "diamond", "size": 13, "color": color},
            "hovertemplate": f"chosen: {bound}<br>%{{x:.2f}} steps on average<br>accuracy %{{y:.2%}}<extra></extra>",
        },
    ]


def _layout(x_title: str, y_title: str) -> dict[str, Any]:
    return {
        "height": 400,
        "margin": {"l": 10, "r": 12, "t": 12, "b": 10},
        "xaxis": {"title": {"text": x_title}, "automargin": True, "zeroline": False},
        "yaxis": {"title": {"text": y_title}, "automargin": True, "zeroline": False},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "hovermode": "closest",
        "dragmode": False,
    }


def _steps_axis(n_steps: int) -> dict[str, Any]:
    if n_steps < _LOG_FROM:
        return {"range": [0.8, n_steps + 0.2], **_whole_steps(n_steps)}
    ticks = [step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000) if step <= n_steps]
    return {"type": "log", "range": [0, float(np.log10(1.06 * n_steps))], "tickvals": ticks, "ticktext": ticks}


def _whole_steps(n_steps: int) -> dict[str, Any]:
    return {"dtick": 1} if n_steps <= 16 else {}


def _prefix(peak_j: float) -> tuple[float, str]:
    """Factor and unit in which energies up to this peak read well."""
    if peak_j <= 0:
        return 1.0, "J"
    number, unit = format_si(peak_j, "J").split(" ")
    return 10.0 ** round(np.log10(float(number) / peak_j)), unit


def _range(values: Sequence[float]) -> list[float]:
    """A little more than the values need, and never so little that noise looks like a mountain."""
    low, high = min(values), max(values)
    room = max(0.08 * (high - low), (0.04 - (high - low)) / 2)
    return [max(0.0, low - room), min(1.02, high + room)]
