"""One self-contained HTML page about some runs: opens offline, anywhere, in ten years.

The charts' data, the script that draws them, the pictures and the style all stand in the file, and a
content security policy forbids it to load anything else. Everything that comes from a file is text to
be escaped, never markup. Equal runs give equal pages.
"""

import base64
import os
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from spikewise._files import write_text
from spikewise.dynamic.trace import ScoreTrace
from spikewise.energy.measurement import OF_AN_EXIT, Measurement
from spikewise.errors import ParameterError, require
from spikewise.price.cost import CostReport
from spikewise.report.tables.cost import ONCE_WORDS
from spikewise.report.tables.summary import ROWS, Cell
from spikewise.report.wording import STAGES, caption_of, joules_of, remarks_of, seconds_of
from spikewise.runs.contents import NeuronWeights, RunContents
from spikewise.runs.exit_folder import ExitFolder
from spikewise.runs.folder import Run
from spikewise.runs.gallery import Gallery
from spikewise.units import format_area, format_share, format_si

from .charts import accuracy_chart, energy_chart, exit_chart, step_chart

_KINDS = {
    "deep": "Deep network, trained with gradients",
    "stdp": "STDP network, learned without labels",
}
_TAGS = {
    "verified": "every constant was read in its source",
    "run": "some constants were obtained by running a published tool",
    "derived": "some constants are computed from others",
    "unverified": "some constants come from second hand or are assumptions",
}
_SICK_SHARE = 0.1  # the estimator warns beyond it too
_LAW_TOLERANCE = 0.005  # of the EDP saving


def write_page(runs: Sequence[Run], path: str | os.PathLike[str], watts: float | None = None) -> None:
    """Write one HTML page about some runs, replacing an old one only when the new one is complete.

    Parameters
    ----------
    runs : sequence of Run
        At least one; a run whose exits or costs are still missing is shown as far as it got.
    path : path
        The file.
    watts : float, optional
        Mean power of the machine that made the runs: turns the seconds that they took into joules.

    Raises
    ------
    ParameterError
        If there is no run, or ``watts`` is no positive number.
    DataError
        If a file of a run is damaged.
    MissingExtraError
        If jinja2 or plotly is not installed.
    """
    if not runs:
        raise ParameterError("runs must hold at least one run; got none. Learn one with: spikewise demo")
    template = _template(require("jinja2", "report"))
    plotly = require("plotly.offline", "report")
    contents = [RunContents.read(run, watts) for run in runs]
    write_text(path, template.render(plotly_js=plotly.get_plotlyjs(), **_page(contents)))


@cache
def _template(jinja2: Any) -> Any:
    """The page with holes, compiled once for all pages of a process."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "joules": lambda value: format_si(value, "J"),
        "seconds": lambda value: format_si(value, "s"),
        "area": format_area,
        "share": format_share,
        "count": lambda value: f"{value:,}",
    }
    return environment.from_string((files("spikewise.report.page") / "page.html.jinja").read_text(encoding="utf-8"))


def _page(contents: Sequence[RunContents]) -> dict[str, Any]:
    data = _distinct(_data_name(each) for each in contents)
    settings = [(each, found) for each in contents for found in each.exits or (None,)]
    return {
        "title": f"Spiking networks on {data}",
        "n_runs": len(contents),
        "facts": _facts(contents, data),
        "columns": [_column(each, found) for each, found in settings],
        "rows": [(name, [cell(each, found) for each, found in settings]) for name, cell in ROWS],
        "sections": [_section(index, each) for index, each in enumerate(contents, start=1)],
    }


def _facts(contents: Sequence[RunContents], data: str) -> list[tuple[str, str]]:
    """What must be known to repeat the runs."""
    sizes = [f"{each.record['data'].get(key)} {word}" for each in contents[:1] for key, word in _SPLITS]
    tested = [f"{found.record.n_test} test" for found in contents[0].exits[:1]]
    versions = (f"{name} {version}" for each in contents for name, version in each.record["versions"].items())
    platforms = [report.platform for each in contents for found in each.exits for report in found.prices]
    return [
        ("data set", data),
        ("images", ", ".join([*sizes, *tested]) if contents[0].record["data"] else "not recorded yet"),
        ("seed", _distinct(str(each.record.get("seed")) for each in contents)),
        ("platforms", _distinct(platforms) or "not priced yet"),
        ("looks at the test set", ", ".join(f"{len(c.record['test_evaluations'])} ({c.name})" for c in contents)),
        ("versions", _distinct(versions)),
    ]


_SPLITS = (("n_train", "train"), ("n_validation", "validation"))


def _column(run: RunContents, found: ExitFolder | None) -> Cell:
    return Cell(run.name, (found.name,) if found and len(run.exits) > 1 else ())


def _section(index: int, run: RunContents) -> dict[str, Any]:
    record = run.record
    classes = [str(name) for name in record["data"].get("classes", [])]
    figures = [found.record for found in run.exits]
    n_parameters = record["metrics"].get("n_parameters")
    return {
        "id": f"run-{index}",
        "name": run.name,
        "kind": _KINDS.get(str(record.get("kind")), str(record.get("kind"))),
        "n_parameters": n_parameters if isinstance(n_parameters, int) else None,
        "silent_share": _silent_share(run),
        "accuracy": accuracy_chart(run.trace, figures) if run.trace else None,
        "exits": [_exit(found, classes) for found in run.exits],
        "measured": _measured(run),
        "neurons": _neurons(run.neurons, run.trace, record["data"]["shape"], classes) if run.neurons else None,
        "settings": list(_flat(record["settings"])),
    }


def _silent_share(run: RunContents) -> dict[str, Any] | None:
    """Share of the samples that drew no spike while an STDP network learned, and whether that is too many."""
    share = run.record["metrics"].get("silent_share")
    if isinstance(share, bool) or not isinstance(share, (int, float)):
        return None
    return {"value": share, "is_high": share > _SICK_SHARE}


def _exit(found: ExitFolder, classes: Sequence[str]) -> dict[str, Any]:
    return {
        "name": found.name,
        "histogram": exit_chart(found.record),
        "n_test": found.record.n_test,
        "prices": found.prices,
        "costs": [_cost(report) for report in found.prices],
        "gallery": _gallery(found.gallery, classes) if found.gallery else None,
    }


def _cost(cost: CostReport) -> dict[str, Any]:
    parts = {name: part.energy_j for name, part in cost.breakdown("component").items() if part.energy_j > 0}
    return {
        "report": cost,
        "by_layer": energy_chart(cost),
        "by_step": step_chart(cost),
        "components": sorted(parts.items(), key=lambda item: -item[1]),
        "saving_by_law": _saving_by_law(cost),
        "once": [(ONCE_WORDS[mode.mode], mode) for mode in cost.once_modes] if len(cost.once_modes) > 1 else [],
        "tag_meaning": _TAGS.get(cost.weakest_tag, "see the assumptions"),
    }


def _saving_by_law(cost: CostReport) -> float | None:
    """EDP saving of the exit histogram alone, E(t) = F + t e and D(t) = t d, if that is all there is to it."""
    steps = np.arange(1, cost.n_steps + 1)
    once = cost.static.ledger.once_energy_j.sum()
    energy = once + steps * (cost.static.energy_j - once) / cost.n_steps
    full = energy[-1] * cost.n_steps
    saving = 1 - float(cost.exit_shares @ (energy * steps)) / full if full else 0.0
    is_all = abs(saving - cost.edp_saving) < _LAW_TOLERANCE < cost.edp_saving
    return saving if is_all else None


def _measured(run: RunContents) -> dict[str, Any]:
    """What the machine that made the run took, a row per stage; the answers once per exit setting."""
    rows: dict[str, Measurement] = {}
    remarks: list[str] = []
    for found in run.exits or (None,):
        suffix = f" ({found.name})" if found and len(run.exits) > 1 else ""
        measured = run.measured(found)
        remarks += remarks_of(measured)
        for stage, taken in measured.items():
            rows[STAGES[stage] + (suffix if stage in OF_AN_EXIT else "")] = taken
    return {
        "rows": [(name, taken, joules_of(taken), seconds_of(taken)) for name, taken in rows.items()],
        "caption": caption_of(remarks),
        "is_missing": any(taken.joules is None for taken in rows.values()),
    }


def _gallery(gallery: Gallery, classes: Sequence[str]) -> list[tuple[str, list[dict[str, Any]]]]:
    from spikewise.report.figures.base import image_png

    def tile(row: int) -> dict[str, Any]:
        label, answer = int(gallery.labels[row]), int(gallery.predicted[row])
        return {
            "src": _data_uri(image_png(gallery.images[row])),
            "label": _word(classes, label),
            "answer": _word(classes, answer),
            "is_right": label == answer,
            "step": int(gallery.steps[row]),
        }

    groups = (("Left first", gallery.is_easy), ("Left last", ~gallery.is_easy))
    return [(title, [tile(row) for row in np.flatnonzero(mask).tolist()]) for title, mask in groups]


def _neurons(
    neurons: NeuronWeights, trace: ScoreTrace | None, shape: Sequence[int], classes: Sequence[str]
) -> dict[str, Any]:
    """Pictures of an STDP network: its weights, the classes of its neurons, and what it mixes up."""
    from spikewise.report.figures.base import to_png
    from spikewise.report.figures.stdp_run import confusions, neuron_labels, neuron_tiles

    mosaic, is_labelled = neuron_tiles(neurons, shape, classes)
    confused = confusions(trace, neurons, classes) if trace else None
    return {
        "weights": _data_uri(to_png(mosaic)),
        "n_shown": neurons.weights.shape[1],
        "n_neurons": len(neurons.labels),
        "is_labelled": is_labelled,
        "labels": _data_uri(to_png(neuron_labels(neurons, classes), is_transparent=False)),
        "confusion": _data_uri(to_png(confused, is_transparent=False)) if confused else None,
    }


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _word(classes: Sequence[str], index: int) -> str:
    return classes[index] if 0 <= index < len(classes) else str(index)


def _data_name(run: RunContents) -> str:
    return str(run.record["data"].get("name") or run.record["settings"].get("data") or "unknown data")


def _distinct(words: Any) -> str:
    return ", ".join(dict.fromkeys(words))


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Any:
    """Nested settings as pairs of a dotted key and a value."""
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value)
