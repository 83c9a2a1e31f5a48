"""Both kinds of network on all 1,797 digits: five folds, pooled, with an early exit that really stops.

Within a fold a fifth of the learning part is kept out to choose epoch and exit threshold; the fold's test
part is then looked at once. Printed per kind: pooled accuracy of the full run, of the early exit and of a
random exit with the same histogram, mean timesteps, and measured wall time of full run and exit.

    python benchmarks/digits_crossval.py [deep|stdp] [--json FILE]
"""

import argparse
import json
import time

import numpy as np

from spikewise.data import load_images, stratified_folds, stratified_holdout
from spikewise.dynamic import ExitPath, NeverExit, calibrate, random_exit_accuracy
from spikewise.learn import STDPClassifier
from spikewise.workflow import DemoSettings, deep_settings

N_FOLDS = 5


def learn_deep(learning, validation, seed):
    """Train the demo's deep network."""
    from spikewise.learn import fit
    from spikewise.network import SpikingClassifier, build_model

    settings, width = deep_settings(DemoSettings(seed=seed), len(learning[0]))
    model = build_model("vgg5", learning[0].shape[1:], 10, width=width, seed=seed)
    fit(model, learning, validation, settings)
    return SpikingClassifier(model, settings.n_steps)


def learn_stdp(learning, validation, seed):
    """Learn the demo's STDP network."""
    return STDPClassifier(n_neurons=100, random_state=seed).fit(*learning)


DEMO = DemoSettings()
KINDS = {"deep": (learn_deep, "mean", DEMO.max_drop_deep), "stdp": (learn_stdp, "sum", DEMO.max_drop_stdp)}


def run_fold(kind, digits, is_test, seed):
    """Learn, calibrate and stop in one fold; returns one row of figures."""
    learn, accumulate, max_drop = KINDS[kind]
    images, labels = digits.images[~is_test], digits.labels[~is_test]
    kept, held_out = stratified_holdout(images, labels, 0.2)
    validation = images[held_out], labels[held_out]
    began = time.perf_counter()
    network = learn((images[kept], labels[kept]), validation, seed)
    seconds = time.perf_counter() - began
    rule = calibrate(network.trace(*validation), ExitPath.of(accumulate=accumulate), max_drop=max_drop).rule
    test = digits.images[is_test], digits.labels[is_test]
    trace = network.trace(*test)
    full, stopped = network.predict_with_exit(test[0], NeverExit()), network.predict_with_exit(test[0], rule)
    return {
        "n": len(test[1]),
        "n_steps": trace.n_steps,
        "full": int((full.labels == test[1]).sum()),
        "exit": int((stopped.labels == test[1]).sum()),
        "random": random_exit_accuracy(trace, stopped.histogram) * len(test[1]),
        "steps": int(stopped.steps.sum()),
        "learn_s": seconds,
        "full_s": full.wall_time_s,
        "exit_s": stopped.wall_time_s,
        "bound": rule.max_entropy,
    }


def main():
    """Run the folds and print the pooled figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", nargs="?", choices=KINDS, help="deep or stdp; both if absent")
    parser.add_argument("--json", help="also write the figures to this file")
    options = parser.parse_args()
    digits = load_images("digits", "all")
    folds = stratified_folds(digits.images, digits.labels, N_FOLDS)
    figures = {}
    for kind in [options.kind] if options.kind else KINDS:
        rows = []
        for fold in range(N_FOLDS):
            rows.append(run_fold(kind, digits, folds == fold, seed=fold))
            row = rows[-1]
            print(
                f"{kind} fold {fold}: full {row['full'] / row['n']:.4f}, exit {row['exit'] / row['n']:.4f} "
                f"at {row['steps'] / row['n']:.2f} of {row['n_steps']} steps, learned in {row['learn_s']:.1f} s",
                flush=True,
            )
        total = {key: float(np.sum([row[key] for row in rows])) for key in rows[0]}
        figures[kind] = {key: total[key] / total["n"] for key in ("full", "exit", "random", "steps")}
        figures[kind] |= {"n_steps": rows[0]["n_steps"], "wall_time_ratio": total["exit_s"] / total["full_s"]}
        print(f"{kind} pooled over {int(total['n'])}: {json.dumps(figures[kind])}")
    if options.json:
        with open(options.json, "w") as file:
            json.dump(figures, file, indent=1)


if __name__ == "__main__":
    main()
