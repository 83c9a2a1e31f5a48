"""Training of a deep spiking network on one CPU core: ours against eager PyTorch, SpikingJelly and snnTorch.

Same network, batch, timesteps and precision; forward and backward, without the optimiser; see ``peers/run_deep.py``
for the network and what each engine is given. Of means ours pools before it convolves, with a quarter of the
multiplications in two of three layers; ``eager_pooled_first`` is plain PyTorch with this exchange written by hand,
which shows what the neurons alone bring. The largest of four sums (``--pooling max``, the default of our networks)
allows no such exchange. Each measurement is a process of its own on one pinned thread, and rounds go through all
engines in turn, so that a busy machine slows all alike. Compared are medians over the rounds of CPU time per image,
and peak memory of the process. Beside them stands how long a user waits for the first training step, from the start
of Python: in the first round, when nothing is compiled, and in later ones.

    python benchmarks/deep_peers.py [--inference] [--dtype float32] [--pooling average] [--batch 128] [--json FILE]

The peers' environments are made once, in ``$SPIKEWISE_PEERS`` or ``~/.cache/spikewise/peers``, by plain pip.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from pathlib import Path
from statistics import median

from peers.environments import DEEP_PEERS, HERE, PeerError, call_lines, make_environment
from rich.console import Console
from rich.table import Table

from spikewise.runs import write_json

ENGINES = ("ours", "eager", "eager_pooled_first", *DEEP_PEERS)


def measure(engines, request, rounds, core):
    """Answers of each engine, round by round, and why some have none."""
    pythons, problems = {}, {}
    for engine in engines:
        try:
            pythons[engine] = str(make_environment(DEEP_PEERS[engine])) if engine in DEEP_PEERS else sys.executable
        except PeerError as error:
            problems[engine] = str(error)
    found = {engine: [] for engine in pythons}
    for number in range(rounds):
        for engine, python in pythons.items():
            if engine in problems:
                continue
            try:
                found[engine] += call_lines(python, HERE / "run_deep.py", request | {"engine": engine}, core)
            except PeerError as error:
                problems[engine] = str(error)
        print(f"round {number + 1} of {rounds}", flush=True)
    return found, problems


def main():
    """Measure, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--pooling", choices=("average", "max"), default="average")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--inference", action="store_true", help="forward alone, in evaluation mode")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=ENGINES)
    parser.add_argument("--core", type=int, default=None, help="core to pin to")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    request = {"dtype": options.dtype, "batch": options.batch, "n_steps": options.steps, "warm": 2, "repeats": 5}
    request |= {"inference": options.inference, "pooling": options.pooling}
    engines = [each for each in options.engines if (each, options.pooling) != ("eager_pooled_first", "max")]
    with tempfile.TemporaryDirectory() as empty:
        os.environ["NUMBA_CACHE_DIR"] = empty
        found, problems = measure(engines, request, options.rounds, options.core)
    speeds = {name: median(row["images_per_s"] for row in rows) for name, rows in found.items() if rows}
    memory = {name: median(row["peak_bytes"] for row in rows) for name, rows in found.items() if rows}
    what = "inference" if options.inference else "training"
    title = (
        f"{what}, {options.dtype}, {options.pooling} pooling, batch {options.batch}, T = {options.steps}, one thread"
    )
    table = Table(title=title)
    for header in ("engine", "images/s", "ours is faster by", "peak memory", "ours takes", "first step", "later"):
        table.add_column(header, justify="left" if header == "engine" else "right")
    for name in speeds:
        ratio = f"{speeds['ours'] / speeds[name]:.2f}" if "ours" in speeds else ""
        share = f"{memory['ours'] / memory[name]:.2f}" if "ours" in memory else ""
        waits = [row["first_step_s"] for row in found[name]]
        later = f"{median(waits[1:]):.1f} s" if waits[1:] else ""
        table.add_row(
            name, f"{speeds[name]:.1f}", ratio, f"{memory[name] / 1e9:.2f} GB", share, f"{waits[0]:.1f} s", later
        )
    Console().print(table)
    for name, why in problems.items():
        print(f"{name}: {why}")
    if options.json:  # beside what other settings gave
        kept = json.loads(options.json.read_text("utf-8")) if options.json.exists() else {}
        result = {"machine": platform.processor() or platform.machine(), "request": request, "rows": found}
        write_json(options.json, kept | {title: result | {"problems": problems}})


if __name__ == "__main__":
    main()
