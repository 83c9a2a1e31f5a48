"""A deep network on the 1,000 recordings of a small N-MNIST: five folds, pooled, with an interval.

Within a fold a fifth of the learning part is kept out to choose the epoch; the fold's test part is then looked at
once. Only the official training part is read, and folds and hold-outs follow from the recordings, whatever the
binning. The defaults were chosen, among six settings, on the hold-out of the first fold, which ``--choose`` prints
without a look at that fold's test part. Its 160 recordings are tested in the other folds, so that the first fold alone
knows nothing of the choice.

The interval is Wilson's, of the pooled count. It counts the chance in the recordings; networks of different folds
share most of what they learned from, so the spread from fold to fold stands beside it.

    python benchmarks/nmnist_crossval.py [--steps T] [--bin time|count] [--choose] [--json FILE] ...

A fold is kept in the file as soon as it is there; begun again, the benchmark goes on after the last.
"""

import argparse
import json
import time
from pathlib import Path
from statistics import mean, stdev

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import binomtest

from spikewise.data import Augmentation, Binning, load_events, stratified_folds, stratified_holdout
from spikewise.learn import FitSettings, fit
from spikewise.network import SpikingClassifier, build_model
from spikewise.runs import write_json

HELD_OUT = 0.2
ASKED = ("model", "width", "steps", "bin", "shift", "cutout", "epochs", "batch", "lr", "smoothing", "folds", "limit")


def pictures(events):
    """All events of each recording in one frame (B, 2, H, W): what folds are dealt by."""
    return events.frames(1, Binning()).images[0]


def learn(learning, options, seed):
    """The network of a fold with its best epoch, that epoch's hold-out accuracy by step, and CPU seconds."""
    kept, held_out = stratified_holdout(pictures(learning), learning.labels, HELD_OUT)
    binning = Binning(by=options.bin)
    train, validation = (learning.subset(rows).frames(options.steps, binning) for rows in (kept, held_out))
    settings = FitSettings(
        epochs=options.epochs, batch_size=options.batch, n_steps=options.steps, lr=options.lr, seed=seed, threads=1,
        label_smoothing=options.smoothing, augment=Augmentation(max_shift=options.shift, cutout=options.cutout),
    )  # fmt: skip
    network = build_model(options.model, train.shape, train.n_classes, width=options.width, seed=seed)
    began = time.process_time()
    found = fit(network, (train.images, train.labels), (validation.images, validation.labels), settings)
    return SpikingClassifier(network, options.steps), found, time.process_time() - began


def run_fold(events, is_test, options, fold):
    """One row: the test part's right answers after each step, and how the network came about."""
    network, found, seconds = learn(events.subset(~is_test), options, seed=fold)
    test = events.subset(is_test).frames(options.steps, Binning(by=options.bin))
    accuracy = network.trace(test.images, test.labels).accuracy_by_step()
    return {
        "fold": fold,
        "n": test.n_samples,
        "right": np.rint(accuracy * test.n_samples).astype(int).tolist(),
        "held_out": list(found.best.accuracy_by_step),
        "best_epoch": found.best_epoch,
        "cpu_s": seconds,
    }


def pooled(rows):
    """Pooled accuracy after each step, its 95 % interval, and the lowest, highest and deviation of the folds."""
    n, found = sum(row["n"] for row in rows), []
    for step, right in enumerate(zip(*(row["right"] for row in rows), strict=True), 1):
        interval = binomtest(sum(right), n).proportion_ci(0.95, method="wilson")
        folds = [count / row["n"] for count, row in zip(right, rows, strict=True)]
        found.append({
            "step": step, "n": n, "right": sum(right), "accuracy": sum(right) / n,
            "low": interval.low, "high": interval.high,
            "worst_fold": min(folds), "best_fold": max(folds), "deviation": stdev(folds) if len(folds) > 1 else None,
        })  # fmt: skip
    return found


def show(rows):
    """The pooled figures as a table, in percent."""
    seconds, n = [row["cpu_s"] for row in rows], sum(row["n"] for row in rows)
    table = Table(title=f"{n:,} recordings, each tested once, {len(rows)} folds, {mean(seconds):.0f} CPU s a fold")
    for header in ("after step", "pooled %", "95 % interval", "folds, % (deviation)"):
        table.add_column(header, justify="right")
    for row in pooled(rows):
        low, high, worst, best = (f"{row[key] * 100:.1f}" for key in ("low", "high", "worst_fold", "best_fold"))
        spread = "" if row["deviation"] is None else f" ({row['deviation'] * 100:.1f})"
        accuracy = f"{row['accuracy'] * 100:.1f}"
        table.add_row(str(row["step"]), accuracy, f"{low} to {high}", f"{worst} to {best}{spread}")
    Console().print(table)


def read_options():
    """What was asked on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="vgg5")
    parser.add_argument("--width", type=float, default=0.5)
    parser.add_argument("--steps", type=int, default=4, help="frames T of each recording")
    parser.add_argument("--bin", choices=("time", "count"), default="time")
    parser.add_argument("--shift", type=int, default=3, help="largest random shift in training, in pixels")
    parser.add_argument("--cutout", type=int, default=0, help="side of a square that is blanked in training")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=5e-3)
    parser.add_argument("--smoothing", type=float, default=0.1)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--limit", type=int, help="so many recordings alone, for a try")
    parser.add_argument("--root", help="folder of the data")
    parser.add_argument("--choose", action="store_true", help="the first fold's hold-out alone")
    parser.add_argument("--json", type=Path, default=Path("nmnist_crossval.json"))
    return parser, parser.parse_args()


def main():
    """Train the folds that are still to be trained, and print."""
    parser, options = read_options()
    setting = {name: getattr(options, name) for name in ASKED}
    kept = {"setting": setting, "rows": []}
    if options.json.exists() and not options.choose:
        kept = json.loads(options.json.read_text("utf-8"))
    if kept["setting"] != setting:
        parser.error(f"{options.json} holds {kept['setting']}; name another file for {setting}.")
    events = load_events("nmnist", "train", options.root, validation_fraction=0).subset(slice(options.limit))
    folds = stratified_folds(pictures(events), events.labels, options.folds)
    if options.choose:
        _, found, seconds = learn(events.subset(folds != 0), options, seed=0)
        by_step = ", ".join(f"{value:.3f}" for value in found.best.accuracy_by_step)
        last = mean(row.validation_accuracy for row in found.history[-3:])
        loss = min(row.validation_loss for row in found.history)
        print(f"{setting}\n  best {by_step} (epoch {found.best_epoch}), last three {last:.3f}, least loss {loss:.4f}, "
              f"{seconds:.0f} s")  # fmt: skip
        return
    for fold in range(options.folds):
        if fold in {row["fold"] for row in kept["rows"]}:
            continue
        kept["rows"].append(run_fold(events, folds == fold, options, fold))
        kept["pooled"] = pooled(kept["rows"])
        write_json(options.json, kept)
        row = kept["rows"][-1]
        by_step = ", ".join(f"{count / row['n']:.3f}" for count in row["right"])
        print(f"fold {fold}: {by_step} of {row['n']}, epoch {row['best_epoch']}, {row['cpu_s']:.0f} CPU s", flush=True)
    show(kept["rows"])


if __name__ == "__main__":
    main()
