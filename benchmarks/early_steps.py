"""What makes early answers better: accuracy after each timestep, by how a network was trained; Fashion-MNIST.

Each recipe trains the same network from the same three seeds for as many epochs: with the plain cumulative loss, with
a random number of timesteps per update, with the last answer as a teacher of the earlier ones, with both, with more
and more timesteps, and with the other two losses. One half of the validation images chooses the epoch and compares the
recipes, the other the bound of an entropy exit that may cost half a point; test images are looked at once per trained
network, for the table. CPU time of training stands beside: a recipe with fewer timesteps is also cheaper.

    python benchmarks/early_steps.py [--data NAME] [--epochs N] [--seeds N] [--only RECIPE ...] [--json FILE]

A row is kept in the file as soon as it is there; begun again, the benchmark goes on after the last.
"""

import argparse
import json
import math
import os
import time
from pathlib import Path
from statistics import mean, stdev

import torch
from rich.console import Console
from rich.table import Table

from spikewise.data import load_splits
from spikewise.dynamic import calibrate, replay_exit
from spikewise.learn import FitSettings, fit
from spikewise.network import SpikingClassifier, build_model
from spikewise.workflow import halves

MAX_DROP = 0.005
RECIPES = {
    "cumulative": {},
    "random steps": {"n_steps_min": 1},
    "distilled": {"distill": 1.0},
    "random + distilled": {"n_steps_min": 1, "distill": 1.0},
    "per step (TET)": {"loss": "per_step"},
    "growing steps": {"growth": 0.75},
    "static": {"loss": "static"},
}


def train(splits, recipe, options, seed):
    """One trained network: accuracy by step on validation and test images, and CPU time."""
    settings = FitSettings(epochs=options.epochs, seed=seed, threads=1, **RECIPES[recipe])
    chosen_on, kept = halves(splits["validation"])
    parts = {"train": splits["train"], "validation": chosen_on, "kept": kept, "test": splits["test"]}
    pairs = {name: (images.images, images.labels) for name, images in parts.items()}
    model = build_model(options.model, splits["train"].shape, 10, width=options.width, seed=seed)
    began = time.process_time()
    found = fit(model, pairs["train"], pairs["validation"], settings)
    seconds = time.process_time() - began
    network = SpikingClassifier(model, settings.n_steps)
    rule = calibrate(network.trace(*pairs["kept"]), max_drop=MAX_DROP).rule
    trace = network.trace(*pairs["test"])
    steps, answers = replay_exit(trace, rule)
    return {
        "recipe": recipe,
        "seed": seed,
        "best_epoch": found.best_epoch,
        "cpu_s": seconds,
        "validation": network.trace(*pairs["validation"]).accuracy_by_step().tolist(),
        "test": trace.accuracy_by_step().tolist(),
        "exit": {"mean_steps": float(steps.mean()), "accuracy": float((answers == trace.labels).mean())},
    }


def show(rows, console):
    """Mean of the seeds and its standard error, in percent."""
    for part in ("validation", "test"):
        table = Table(title=f"{part}: % after each timestep, mean of the seeds +- standard error")
        for header in ("recipe", "T=1", "T=2", "T=3", "T=4", "CPU s"):
            table.add_column(header, justify="left" if header == "recipe" else "right")
        for recipe in dict.fromkeys(row["recipe"] for row in rows):
            mine = [row for row in rows if row["recipe"] == recipe]
            cells = []
            for values in zip(*(row[part] for row in mine), strict=True):
                error = stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan
                cells.append(f"{mean(values) * 100:.2f} +- {error * 100:.2f}")
            table.add_row(recipe, *cells, f"{mean(row['cpu_s'] for row in mine):.0f}")
        console.print(table)
    table = Table(title="test, entropy exit, mean of the seeds")
    for header in ("recipe", "mean steps", "accuracy"):
        table.add_column(header, justify="left" if header == "recipe" else "right")
    for recipe in dict.fromkeys(row["recipe"] for row in rows):
        mine = [row["exit"] for row in rows if row["recipe"] == recipe]
        steps, accuracy = (mean(each[key] for each in mine) for key in ("mean_steps", "accuracy"))
        table.add_row(recipe, f"{steps:.2f}", f"{accuracy:.2%}")
    console.print(table)


def main():
    """Train what is still to be trained, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--model", default="vgg5")
    parser.add_argument("--width", type=float, default=0.5)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=RECIPES, default=list(RECIPES))
    parser.add_argument("--json", type=Path, default=Path("early_steps.json"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    setting = {"data": options.data, "model": options.model, "width": options.width, "epochs": options.epochs}
    kept = json.loads(options.json.read_text("utf-8")) if options.json.exists() else {"setting": setting, "rows": []}
    if kept["setting"] != setting:
        parser.error(f"{options.json} holds {kept['setting']}; name another file for {setting}.")
    rows, splits = kept["rows"], load_splits(options.data)
    done = {(row["recipe"], row["seed"]) for row in rows}
    for seed in range(options.seeds):
        for recipe in options.only:
            if (recipe, seed) in done:
                continue
            rows.append(train(splits, recipe, options, seed))
            beside = options.json.with_suffix(".part")
            beside.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
            os.replace(beside, options.json)
            print(f"{recipe}, seed {seed}: {rows[-1]['validation']}, {rows[-1]['cpu_s']:.0f} s", flush=True)
    show(rows, Console())


if __name__ == "__main__":
    main()
