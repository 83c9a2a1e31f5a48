"""Training of deep spiking networks on a GPU: ours, ours without the fused layers, and SpikingJelly.

VGG-16 and ResNet-19 as for CIFAR-10, bfloat16 by autocast; forward and backward, without the optimiser; see
``peers/run_deep_gpu.py`` for the networks. Each measurement is a process of its own. Compared are medians over the
rounds of time per image, and peak memory. Without a GPU it ends with code 2.

    python benchmarks/deep_gpu.py [--models vgg16 resnet19] [--batch 128] [--steps 4] [--rounds 3] [--json FILE]

SpikingJelly's environment is made once, in ``$SPIKEWISE_PEERS`` or ``~/.cache/spikewise/peers``, by plain pip.
"""

import argparse
import json
import sys
from pathlib import Path
from statistics import median

import torch
from peers.environments import HERE, SPIKINGJELLY, PeerError, call_lines, make_environment
from rich.console import Console
from rich.table import Table

MODELS = ("vgg16", "resnet19")
ENGINES = ("ours", "plain", SPIKINGJELLY.name)


def measure(options):
    """Rows of each engine and model, round by round, and why some have none."""
    pythons, problems, rows = {}, {}, []
    for engine in options.engines:
        try:
            pythons[engine] = str(make_environment(SPIKINGJELLY)) if engine == SPIKINGJELLY.name else sys.executable
        except PeerError as error:
            problems[engine] = str(error)
    request = {"batch": options.batch, "n_steps": options.steps, "warm": 5, "repeats": 20}
    for number in range(options.rounds):
        for model in options.models:
            for engine, python in pythons.items():
                try:
                    asked = request | {"engine": engine, "model": model}
                    rows += call_lines(python, HERE / "run_deep_gpu.py", asked)
                except PeerError as error:
                    problems[f"{engine}, {model}"] = str(error)
        print(f"round {number + 1} of {options.rounds}", flush=True)
    return request, rows, problems


def show(model, rows, title):
    """Table of one model."""
    found = {engine: [row for row in rows if (row["engine"], row["model"]) == (engine, model)] for engine in ENGINES}
    speeds = {name: median(row["images_per_s"] for row in each) for name, each in found.items() if each}
    memory = {name: median(row["peak_bytes"] for row in each) for name, each in found.items() if each}
    table = Table(title=title)
    for header in ("engine", "images/s", "ours is faster by", "peak memory", "of ours"):
        table.add_column(header, justify="left" if header == "engine" else "right")
    for name in speeds:
        ratio = f"{speeds['ours'] / speeds[name]:.2f}" if "ours" in speeds else ""
        share = f"{memory[name] / memory['ours']:.2f}" if "ours" in memory else ""
        table.add_row(name, f"{speeds[name]:.0f}", ratio, f"{memory[name] / 1e9:.2f} GB", share)
    Console().print(table)


def main():
    """Measure, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=ENGINES)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("deep_gpu needs a GPU; PyTorch finds none. benchmarks/deep_peers.py measures on CPUs.", file=sys.stderr)
        sys.exit(2)
    request, rows, problems = measure(options)
    for model in options.models:
        show(model, rows, f"{model}, {torch.cuda.get_device_name()}, batch {options.batch}, T = {options.steps}")
    for name, why in problems.items():
        print(f"{name}: {why}")
    if options.json:
        result = {"device": torch.cuda.get_device_name(), "request": request, "rows": rows, "problems": problems}
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
