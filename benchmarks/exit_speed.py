"""Is early exit really faster? CPU time per image of one trained network, with and without stopping.

Five ways to answer the same test images on one pinned thread: all timesteps in one call (the fastest static path of
this code), step by step, step by step with a rule that is asked and never ready, step by step with early exit, and
SpikingJelly with the same weights and all timesteps. The first, the last and the others have a process each; all take
turns. On one pinned thread nothing waits, so CPU time is the wall time of a quiet machine; medians over the rounds. The
answers are compared too.

*Rule* is what asking costs. *Compaction* is what early exit takes beyond its share of the steps and the start, which
is timed alone: the first convolution runs once however early an image leaves.

    python benchmarks/exit_speed.py RUN [--exit NAME] [--batches 256 1] [--rounds 3] [--json FILE]

RUN is a run folder with a VGG that was trained on pictures, as `spikewise train --data cifar10` leaves.
"""

import argparse
import platform
import sys
import tempfile
from collections import defaultdict
from datetime import date
from pathlib import Path
from statistics import median

import numpy as np
import torch
from peers.environments import HERE, SPIKINGJELLY, PeerError, call_lines, make_environment
from rich.console import Console
from rich.table import Table

from spikewise.dynamic import rule_to_dict
from spikewise.network import VGG, SpikingClassifier
from spikewise.report import words_of
from spikewise.runs import MODEL_FILE, Run, write_json
from spikewise.workflow import rule_of, splits_of

OURS, PEER = (("at_once",), ("starting", "step_by_step", "asking", "early_exit")), "spikingjelly"
N_IMAGES = {256: 512, 1: 128}


def handed_over(folder, network, images):
    """Files that every engine reads: weights as arrays, and images."""
    weights = {key: value.numpy() for key, value in network.model.state_dict().items()}
    np.savez(folder / "weights.npz", **weights)
    np.save(folder / "images.npy", images)
    spec = network.model.spec
    if (spec.neurons.decay, spec.neurons.reset, spec.neurons.v_reset) != (0.5, "hard", 0.0):
        raise SystemExit(f"the peer's neurons forget half and are emptied by a spike; {spec.neurons} do otherwise.")
    return {
        "weights": str(folder / "weights.npz"), "images": str(folder / "images.npy"), "pooling": spec.pooling,
        "pools": [getattr(layer.pool, "kernel_size", 1) for layer in network.model.layers.values()],
        "v_threshold": spec.neurons.v_threshold,
    }  # fmt: skip


def measure(request, rounds, core):
    """Rows of each engine over the rounds, and why the peer has none, if so."""
    processes, problem = [(sys.executable, engines) for engines in OURS], None
    try:
        processes.append((make_environment(SPIKINGJELLY), (PEER,)))
    except PeerError as error:
        problem = error
    found = defaultdict(list)
    for _ in range(rounds):
        for python, engines in processes:
            try:
                for row in call_lines(python, HERE / "run_exit.py", request | {"engines": engines}, core):
                    print(
                        f"batch {request['batch']}, {row['engine']}: {1e3 * row['seconds']:.2f} ms per image",
                        flush=True,
                    )
                    found[row["engine"]].append(row)
            except PeerError as error:
                if engines in OURS:
                    raise SystemExit(str(error)) from None
                problem = error
    return found, problem


def main():
    """Measure, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--exit", default="", help="exit setting; the newest if absent")
    parser.add_argument("--batches", type=int, nargs="+", default=[256, 1])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--core", type=int, default=None, help="core to pin to")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    run = Run.open(options.run)
    network = SpikingClassifier.load(options.run / MODEL_FILE)
    rule = rule_of(run, network, options.exit)
    test = splits_of(run)["test"]
    if network.model.spec.name not in VGG or test.n_frames is not None:
        parser.error(f"RUN must hold a VGG that was trained on pictures; got {network.model.spec.name} on {test.name}.")
    images, rows, overheads = test.images, [], []
    with tempfile.TemporaryDirectory() as place:
        for batch in options.batches:
            some = images[: N_IMAGES.get(batch, 512)]
            shared = handed_over(Path(place), network, some) | {
                "model": str(options.run / MODEL_FILE), "rule": rule_to_dict(rule), "n_steps": network.n_steps,
                "batch": batch, "repeats": 3,
            }  # fmt: skip
            found, problem = measure(shared, options.rounds, options.core)
            if problem is not None:
                print(f"{PEER}: {problem}")
            seconds = {engine: median(row["seconds"] for row in parts) for engine, parts in found.items()}
            reference = np.array(found["at_once"][0]["classes"])
            start = seconds["starting"]
            for engine, value in seconds.items():
                if engine == "starting":
                    continue
                rows.append({
                    "batch": batch, "engine": engine, "seconds_per_image": value,
                    "mean_steps": found[engine][0]["mean_steps"],
                    "of_at_once": value / seconds["at_once"],
                    "exit_takes": seconds["early_exit"] / value,
                    "same_answers": float(np.mean(np.array(found[engine][0]["classes"]) == reference)),
                })  # fmt: skip
            share = found["early_exit"][0]["mean_steps"] / network.n_steps
            overheads.append({
                "batch": batch,
                "rule": seconds["asking"] / seconds["step_by_step"] - 1,
                "compaction": seconds["early_exit"] / (start + share * (seconds["asking"] - start)) - 1,
                "start_seconds_per_image": start,
            })  # fmt: skip
    table = Table(title=f"{options.run.name}, {words_of(rule)}, T = {network.n_steps}, one thread")
    for header in (
        "batch",
        "engine",
        "ms per image",
        "mean steps",
        "against all at once",
        "exit takes",
        "same answers",
    ):
        table.add_column(header, justify="left" if header == "engine" else "right", no_wrap=header == "engine")
    for row in rows:
        table.add_row(
            str(row["batch"]), row["engine"], f"{1e3 * row['seconds_per_image']:.2f}", f"{row['mean_steps']:.2f}",
            f"{row['of_at_once']:.2f}", f"{row['exit_takes']:.2f}", f"{row['same_answers']:.2%}",
        )  # fmt: skip
    Console().print(table)
    for each in overheads:
        print(f"batch {each['batch']}: rule {each['rule']:+.1%}, compaction {each['compaction']:+.1%}")
    if options.json:
        write_json(options.json, {
            "run": options.run.name, "rule": rule_to_dict(rule), "machine": platform.processor() or platform.machine(),
            "date": date.today().isoformat(), "torch": torch.__version__, "rows": rows, "overheads": overheads,
        })  # fmt: skip


if __name__ == "__main__":
    main()
