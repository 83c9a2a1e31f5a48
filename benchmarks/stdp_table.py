"""The table of unsupervised learning: accuracy by size, rule, precision and batch, fixed point, and early exit.

    python benchmarks/stdp_table.py [--only NAME ...] [--seeds 3] [--out runs/stdp_table.json]

Recipes and thresholds were chosen on validation images; here every network looks at the 10,000 test images once,
and the look is logged in the result. Accuracy rows learn from, and are labelled with, all 60,000 training images
in one pass. Exit rows learn and label with 50,000; the threshold is chosen on the 10,000 kept out.
Finished rows are kept in the result file and not computed again.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from spikewise.data import load_splits
from spikewise.dynamic import EntropyExit, ExitPath, NeverExit, calibrate, random_exit_accuracy
from spikewise.learn import STDPClassifier
from spikewise.runs import write_json
from spikewise.spikes import DECODERS, evidence_of

ROWS = {
    "mnist-100": ("mnist", {"n_neurons": 100}, 3),
    "mnist-400": ("mnist", {"n_neurons": 400}, 3),
    "mnist-1600": ("mnist", {"n_neurons": 1600}, 3),
    "mnist-6400": ("mnist", {"n_neurons": 6400}, 1),
    "mnist-400-first-spike": ("mnist", {"n_neurons": 400, "rule": "first_spike"}, 3),
    "mnist-1600-first-spike": ("mnist", {"n_neurons": 1600, "rule": "first_spike"}, 1),
    "mnist-400-batch-256": ("mnist", {"n_neurons": 400, "batch_size": 256}, 3),
    "mnist-400-float32": ("mnist", {"n_neurons": 400, "n_bits": None}, 3),
    "mnist-400-6bit": ("mnist", {"n_neurons": 400, "n_bits": 6}, 3),
    "mnist-400-4bit": ("mnist", {"n_neurons": 400, "n_bits": 4}, 3),
    "mnist-400-8bit-nearest": ("mnist", {"n_neurons": 400, "rounding": "nearest"}, 1),
    "mnist-400-8bit-truncate": ("mnist", {"n_neurons": 400, "rounding": "truncate"}, 1),
    "mnist-400-4bit-nearest": ("mnist", {"n_neurons": 400, "n_bits": 4, "rounding": "nearest"}, 1),
    "mnist-400-4bit-truncate": ("mnist", {"n_neurons": 400, "n_bits": 4, "rounding": "truncate"}, 1),
    "fashion-400": ("fashion-mnist", {"n_neurons": 400}, 3),
    "fashion-1600": ("fashion-mnist", {"n_neurons": 1600}, 1),
    "mnist-400-fspinn": ("mnist", {"n_neurons": 400, "rule": "fspinn"}, 1),
    "mnist-400-diehl-cook": ("mnist", {"n_neurons": 400, "rule": "diehl_cook", "n_epochs": 3}, 1),
}
AFTER_TRAINING = {"mnist-400": (4, 1)}
EXITS = {"exit-mnist-400": 400, "exit-mnist-1600": 1600}
MAX_DROP = 0.005


def by_decoder(model, images, labels):
    """Accuracy of every decoder, from the same spikes."""
    counts, found = model.encoder_.transform(images), {}
    for name in DECODERS:
        scores = counts @ evidence_of(name, model.class_counts_, model.n_labelled_).T
        found[name] = float(np.mean(model.classes_[scores.argmax(1)] == labels))
    return found


def accuracy_row(name, data, settings, seed, log):
    """Learn from 60,000 images, label with them, and look at the test images once."""
    splits = load_splits(data)
    train, test = joined(splits), splits["test"]
    model = STDPClassifier(random_state=seed, **{"n_epochs": 1, **settings})
    began = time.process_time()
    model.fit(train.images, train.labels)
    row = {"seed": seed, "fit_cpu_s": time.process_time() - began, "n_train": train.n_samples}
    log.append({"row": name, "seed": seed, "n_test": test.n_samples, "what": "accuracy by decoder"})
    row["accuracy"] = by_decoder(model, test.images, test.labels)
    if name in AFTER_TRAINING:
        row["after_training"] = {}
        for bits in AFTER_TRAINING[name]:
            small = model.quantized(bits).label(train.images, train.labels)
            row["after_training"][str(bits)] = by_decoder(small, test.images, test.labels)
    return row


def joined(splits):
    """Training and validation images together: the 60,000 of the publishers."""
    train, validation = splits["train"], splits["validation"]
    return replace(
        train,
        images=np.concatenate([train.images, validation.images]),
        labels=np.concatenate([train.labels, validation.labels]),
    )


def exit_row(name, n_neurons, seed, log):
    """Calibrate on 10,000 images kept out of learning and labelling; stop on the test images, with controls."""
    splits = load_splits("mnist", validation_fraction=1 / 6)
    train, validation, test = (splits[part] for part in ("train", "validation", "test"))
    model = STDPClassifier(n_neurons, n_epochs=1, random_state=seed).fit(train.images, train.labels)
    seen = model.trace(validation.images, validation.labels)
    chosen = calibrate(seen, ExitPath.of(accumulate="sum"), max_drop=MAX_DROP)
    log.append({"row": name, "seed": seed, "n_test": test.n_samples, "what": "early exit and its controls"})
    trace = model.trace(test.images, test.labels)
    times, results, loads = {}, {}, {}
    rules = {"full": NeverExit(), "exit": chosen.rule}
    for _ in range(5):  # in turn, so that a busy machine slows both alike
        for kind, rule in rules.items():
            began = time.process_time()
            results[kind] = model.predict_with_exit(test.images, rule)
            times.setdefault(kind, []).append(time.process_time() - began)
    for kind, rule in rules.items():
        times[kind] = float(np.median(times[kind]))
        loads[kind] = model.encoder_.respond(test.images, model.evidence_, rule).events.in_spikes
    result, by_step = results["exit"], trace.accuracy_by_step()
    # Every sample stops at its first output spike: any spike lowers the entropy below 1.
    first = model.predict_with_exit(test.images, EntropyExit(1.0 - 1e-12, "sum"))
    return {
        "seed": seed,
        "n_calibration": validation.n_samples,
        "max_entropy": chosen.rule.max_entropy,
        "accuracy_full": float(by_step[-1]),
        "accuracy_exit": float(np.mean(result.labels == test.labels)),
        "mean_steps": result.mean_steps,
        "median_steps": float(np.median(result.steps)),
        "p95_steps": float(np.quantile(result.steps, 0.95)),
        "input_spikes": loads["exit"] / loads["full"],
        "cpu_full_s": times["full"],
        "cpu_exit_s": times["exit"],
        "speed_up": times["full"] / times["exit"],
        "accuracy_static_at_mean_steps": float(by_step[round(result.mean_steps) - 1]),
        "accuracy_first_spike": float(np.mean(first.labels == test.labels)),
        "mean_steps_first_spike": first.mean_steps,
        "accuracy_random_exit": random_exit_accuracy(trace, result.histogram),
    }


def main():
    """Compute what is missing, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", help="names of rows", choices=[*ROWS, *EXITS])
    parser.add_argument("--seeds", type=int, default=3, help="at most; some rows have one")
    parser.add_argument("--out", type=Path, default=Path("runs/stdp_table.json"))
    options = parser.parse_args()
    done = json.loads(options.out.read_text()) if options.out.exists() else {"rows": {}, "test_evaluations": []}
    for name in options.only or [*ROWS, *EXITS]:
        n_seeds = min(options.seeds, ROWS[name][2] if name in ROWS else 3)
        rows = done["rows"].setdefault(name, [])
        for seed in range(len(rows), n_seeds):
            log = done["test_evaluations"]
            if name in ROWS:
                data, settings, _ = ROWS[name]
                rows.append(accuracy_row(name, data, settings, seed, log))
            else:
                rows.append(exit_row(name, EXITS[name], seed, log))
            options.out.parent.mkdir(parents=True, exist_ok=True)
            write_json(options.out, done)
        show(name, rows)


def show(name, rows):
    """One line per row of the table: mean over its seeds."""
    if "accuracy" in rows[0]:
        means = {decoder: 100 * np.mean([row["accuracy"][decoder] for row in rows]) for decoder in DECODERS}
        text = "  ".join(f"{decoder} {value:.2f}" for decoder, value in means.items())
        print(
            f"{name:<26} {text}  ({len(rows)} seeds, {np.mean([row['fit_cpu_s'] for row in rows]):.0f} s)", flush=True
        )
        for bits in rows[0].get("after_training", ()):
            values = [100 * np.mean([row["after_training"][bits][d] for row in rows]) for d in DECODERS]
            print(f"  {bits} bits after training   " + "  ".join(f"{v:.2f}" for v in values), flush=True)
    else:
        print(name, json.dumps(rows[0]), flush=True)


if __name__ == "__main__":
    main()
