"""STDP training on one core: ours against BindsNET and Brian2, in CPU time per sample.

All learn from the same first MNIST training images with the same number of neurons and 350 ms per image, on one
pinned thread. Counted is CPU time of drawing spikes and learning; not reading files, importing, compiling, warming up.
Each measurement is a process of its own; rounds go through all engines in turn, so that a busy machine slows all
alike, and medians over the rounds are compared. BindsNET's batch size, network and options are swept in the first
round; the rows within reach of its best, and those of its own example, are measured in every round.

The engines do not solve one identical model: ours is its default (rule lean, 8-bit weights, no batches), BindsNET's
the network of its example, Brian2's the published one with conductances; see ``peers/run_*.py`` for what each is
given and spared. ``--accuracy`` therefore compares what counts in the end: CPU time to an accuracy on validation
images, the last 5,000 of the 60,000 training images. Test images are not read.

    python benchmarks/stdp_peers.py [--neurons 400] [--json FILE] [--rounds 3] [--quick]
    python benchmarks/stdp_peers.py --accuracy [--budget 1800]

The peers' environments are made once, in ``$SPIKEWISE_PEERS`` or ``~/.cache/spikewise/peers``, by plain pip.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from dataclasses import asdict
from datetime import date
from pathlib import Path

import numpy as np
from peers.environments import HERE, PEERS, PeerError, cache_folder, call_lines, make_environment
from peers.rows import Row, all_rows, headline, measured
from rich.console import Console
from rich.table import Table

from spikewise.data import open_source

N_STEPS = 350
SEED = 0
N_VALIDATION = 5_000
TARGET = 0.85
_NEAR_BEST = 1.25  # rows within this factor of their engine's best are measured in every round
_RACES = [("ours", f"default, seed {seed}", {"seed": seed}) for seed in range(3)] + [
    (
        "bindsnet",
        f"lean options, batch {batch}",
        {"model": "v1", "encoder": "bernoulli", "is_lean": True, "batch": batch},
    )
    for batch in (1, 32, 256)  # no batches, its example's, about its fastest
]


class Bench:
    """What all measurements share: the images, the core, the environments."""

    def __init__(self, n_neurons: int, core: int | None, folder: Path) -> None:
        samples = open_source("mnist").train()
        images, labels = samples.content, samples.labels
        self.paths = {"images": str(folder / "images.npy"), "labels": str(folder / "labels.npy")}
        np.save(self.paths["images"], images.reshape(len(images), -1))
        np.save(self.paths["labels"], labels)
        self.shared = {"n_neurons": n_neurons, "n_steps": N_STEPS, "seed": SEED, "images": self.paths["images"]}
        self.core = core
        self.pythons = {"ours": sys.executable}
        self.problems = {}
        for name, peer in PEERS.items():
            try:
                self.pythons[name] = str(make_environment(peer))
            except PeerError as error:
                self.problems[name] = str(error)

    def ask(self, engine, request, is_pinned=True):
        """Yield the answers of an engine's script."""
        if engine in self.problems:
            raise PeerError(self.problems[engine])
        core = self.core if is_pinned else None
        yield from call_lines(self.pythons[engine], HERE / f"run_{engine}.py", self.shared | request, core)

    def build(self, row: Row) -> None:
        """Compile a row that has to be compiled, on any core."""
        cache = str(cache_folder() / "brian2-programs")
        try:
            (row.answer,) = self.ask(row.engine, row.request | {"task": "build", "n": row.n, "cache": cache}, False)
            row.request |= {"folder": row.answer["folder"]}
        except PeerError as error:
            row.problem = str(error)

    def measure(self, row: Row) -> None:
        """Add one measurement to a row, or the reason why there is none."""
        try:
            (answer,) = self.ask(row.engine, row.request | {"task": "speed", "n": row.n})
        except PeerError as error:
            row.problem = str(error)
            return
        row.cpu_us.append(answer["cpu_s"] / answer["n"] * 1e6)
        row.answer |= answer
        _say(f"{row.label}: {row.cpu_us[-1]:,.0f} us")

    def race(self, engine, name, request) -> dict:
        """Points of accuracy against CPU time until the target or the budget is reached."""
        found = {"engine": engine, "name": name, "points": [], "problem": ""}
        try:
            for point in self.ask(engine, self.paths | request | {"task": "accuracy"}):
                found["points"].append(point)
                _say(f"{engine}, {name}: {json.dumps(point)}")
        except PeerError as error:
            found["problem"] = str(error)
        return found


def compare_speed(bench: Bench, n_rounds: int, is_quick: bool) -> list[Row]:
    """Measure all rows in interleaved rounds; ours comes first in each."""
    rows = all_rows(is_quick)
    for row in rows:
        if row.engine == "brian2":
            bench.build(row)
    for number in range(n_rounds):
        _say(f"round {number + 1} of {n_rounds}")
        for row in [row for row in rows if not row.problem and (number == 0 or is_contender(row, rows))]:
            bench.measure(row)
    return rows


def is_contender(row: Row, rows: list[Row]) -> bool:
    """Whether a row is worth another round."""
    best_us = min(other.median_us for other in measured(rows) if other.engine == row.engine)
    return row.is_kept or row.median_us <= _NEAR_BEST * best_us


def show_speed(rows: list[Row], n_neurons: int) -> None:
    """Print table, headline and conditions."""
    ours = rows[0]
    table = Table(title=f"STDP training, N = {n_neurons}, {N_STEPS} ms, MNIST: CPU us per sample, one thread")
    for header in ("engine", "configuration", "batch", "samples", "rounds", "median us", "min to max", "ratio to ours"):
        table.add_column(header, justify="left" if header in ("engine", "configuration") else "right")
    for row in rows:
        cells = [row.engine, row.name, str(row.batch)]
        if row.cpu_us:
            ratio = f"{row.median_us / ours.median_us:,.1f}" if ours.cpu_us else ""
            spread = f"{min(row.cpu_us):,.0f} to {max(row.cpu_us):,.0f}"
            cells += [f"{row.answer['n']:,}", str(len(row.cpu_us)), f"{row.median_us:,.0f}", spread, ratio]
        table.add_row(*cells)
    Console(width=max(118, Console().width)).print(table)
    for problem in dict.fromkeys(f"{row.engine} was not measured: {row.problem}" for row in rows if row.problem):
        print(problem)
    for row in rows:
        if "build_s" in row.answer:
            print(
                f"{row.label}: compiled in {row.answer['build_s']:.0f} s, {row.answer['out_spikes']:.1f} output spikes"
            )
    for name, found in headline(rows).items():
        if name != "ours_us":
            low, high = found["ratio_by_round"]
            print(f"{name}: {found['ratio']:,.1f} x ours ({low:,.1f} to {high:,.1f} by round; {found['row']})")


def compare_accuracy(bench: Bench, budget_s: float) -> list[dict]:
    """Race ours and BindsNET to the target accuracy."""
    prefixes = [1_000 * 2**k for k in range(6)] + [60_000 - N_VALIDATION]
    task = {"prefixes": prefixes, "n_validation": N_VALIDATION, "target": TARGET, "budget_s": budget_s}
    found = []
    for engine, name, request in _RACES:
        found.append(bench.race(engine, name, task | request))
        print(in_words(found[-1]), flush=True)
    return found


def in_words(race: dict) -> str:
    """Say how a race ended."""
    label = f"{race['engine']}, {race['name']}:"
    if race["problem"]:
        return f"{label} {race['problem']}"
    last, top = race["points"][-1], max(point["accuracy"] for point in race["points"])
    spent = f"after {last['n']:,} samples and {last['cpu_s']:,.2f} CPU s"
    if last["accuracy"] >= TARGET:
        return f"{label} {last['accuracy']:.1%} {spent}"
    return f"{label} {TARGET:.0%} not reached, {last['accuracy']:.1%} {spent} ({top:.1%} at best)"


def conditions(n_neurons: int, rows: list[Row]) -> dict:
    """Where, when and with what this was measured."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return {
        "cpu": model or platform.processor(), "n_cores": os.cpu_count(), "system": platform.system(),
        "python": platform.python_version(), "date": date.today().isoformat(), "n_neurons": n_neurons,
        "n_steps": N_STEPS, "seed": SEED, "versions": {row.engine: row.answer["versions"] for row in measured(rows)},
    }  # fmt: skip


def _without_folders(value):
    """A row without the places where programs lie on this machine."""
    return {
        key: _without_folders(each) if isinstance(each, dict) else each
        for key, each in value.items()
        if key != "folder"
    }


def _last_core() -> int | None:
    """The last of the cores we may use, if the system lets us choose."""
    return max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def _say(text: str) -> None:
    """Progress goes where it does not mix with the table."""
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Measure, print, and write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neurons", type=int, default=400, help="neurons of every network")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds of measurements")
    parser.add_argument("--quick", action="store_true", help="one round of few configurations and samples")
    parser.add_argument("--accuracy", action="store_true", help="CPU time to 85 %% accuracy instead of speed (long)")
    parser.add_argument("--budget", type=float, default=1800.0, help="CPU seconds of each race for --accuracy")
    parser.add_argument("--core", type=int, default=_last_core(), help="core of all measurements; by default the last")
    parser.add_argument("--json", help="also write the figures to this file")
    options = parser.parse_args()
    rows, races = [], []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options.neurons, options.core, Path(folder))
        if options.accuracy:
            races = compare_accuracy(bench, options.budget)
        else:
            rows = compare_speed(bench, 1 if options.quick else options.rounds, options.quick)
            show_speed(rows, options.neurons)
    where = conditions(options.neurons, rows)
    print(json.dumps(where))
    if options.json:
        figures = (
            {"races": races}
            if options.accuracy
            else {"headline": headline(rows), "rows": [_without_folders(asdict(row)) for row in rows]}
        )
        Path(options.json).write_text(json.dumps(where | figures, indent=1))
    if any(
        problem := [row.problem for row in rows[:1]] + [race["problem"] for race in races if race["engine"] == "ours"]
    ):
        sys.exit(f"ours failed: {problem}")


if __name__ == "__main__":
    main()
