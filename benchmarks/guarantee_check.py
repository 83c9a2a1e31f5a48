"""Does the guarantee hold? Calibration sets drawn from a population whose risk is known, many times.

A trace stands for the whole population: the loss of each rule on all of it is the true one. From it, calibration sets
are drawn with replacement, a threshold is chosen on each, and a violation is a chosen rule whose true loss exceeds the
bound. A guarantee with confidence 1 - delta may be violated in a share delta of the draws; beside it stands the
heuristic, which promises nothing. Synthetic populations whose loss lies just above the bound are the hardest case.

    python benchmarks/guarantee_check.py RUN [RUN ...] [--json FILE]

Each RUN is a run folder with a trace of its test images, such as `spikewise train --data cifar10` and
`spikewise stdp --data mnist` leave. Test images serve as a population here: nothing is chosen for use.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from spikewise._files import write_json
from spikewise.dynamic import ExitPath, ScoreTrace, exit_curve
from spikewise.dynamic.curve import outcomes
from spikewise.dynamic.guarantee import rules_out, samples_needed
from spikewise.runs import TRACE_FILE, Run
from spikewise.workflow.exit import accumulation_of

N_TOGETHER = 500  # draws


def patterns(trace, path):
    """Different rows of outcomes (P, M), and how many samples show each."""
    rows, counts = np.unique(outcomes(trace, path).T, axis=0, return_counts=True)
    return rows.astype(np.float64), counts


def heuristic(harmed, helped, n, eps, steps, n_steps):
    """Place that `calibrate` chooses, or -1: one standard error, then 1 / sqrt(n) of the saved steps given back."""
    drop = harmed - helped + np.sqrt(harmed + helped)
    fails = drop > n * eps + 1e-9
    passed = np.where(fails.any(1), fails.argmax(1), fails.shape[1])
    saved = n_steps - steps
    places = np.full(len(harmed), -1)
    for row, n_passed in enumerate(passed):
        if n_passed:
            places[row] = np.argmax(saved >= saved[n_passed - 1] * (1 - 1 / np.sqrt(n)))
    return places


def guaranteed(harmed, helped, n, eps, delta, form):
    """Place that `certify` chooses, or -1."""
    passed = rules_out(harmed, helped, n, eps, delta, form)
    return np.where(passed.all(1), passed.shape[1], passed.argmin(1)) - 1


def check(rows, counts, steps, n_steps, options, eps):
    """Violations and mean steps of each way of choosing, over the draws."""
    rng = np.random.default_rng(options.seed)
    population = counts / counts.sum()
    risk = {"drop": -(population @ rows), "harm": population @ (rows < 0)}
    harmed_by, helped_by = (rows < 0).astype(float), (rows > 0).astype(float)
    ways = {"drop": [], "harm": [], "heuristic": []}
    n, delta = options.samples, 1 - options.confidence
    for first in range(0, options.draws, N_TOGETHER):
        drawn = rng.multinomial(n, population, size=min(N_TOGETHER, options.draws - first)).astype(float)
        harmed, helped = drawn @ harmed_by, drawn @ helped_by
        ways["drop"].append(guaranteed(harmed, helped, n, eps, delta, "drop"))
        ways["harm"].append(guaranteed(harmed, helped, n, eps, delta, "harm"))
        ways["heuristic"].append(heuristic(harmed, helped, n, eps, steps, n_steps))
    found = {}
    for way, parts in ways.items():
        places = np.concatenate(parts)
        true = risk["harm" if way == "harm" else "drop"]
        chosen, used = np.append(true, 0.0)[places], np.append(steps, n_steps)[places]
        found[way] = {"violations": float((chosen > eps + 1e-12).mean()), "mean_steps": float(used.mean())}
    return found


def synthetic(eps, n_rules=12):
    """Populations (patterns, counts): loss just above the bound from the first rule on, or after some good ones."""
    share = 1_000_000
    for name, p01, first_bad in (("harms alone", 0.0, 0), ("harms and helps", 0.02, 0), ("after five good", 0.02, 5)):
        p10 = p01 + eps * 1.001
        rows, counts = [np.zeros(n_rules)], [share - round(share * p10) - round(share * p01)]
        bad = (np.arange(n_rules) >= first_bad).astype(float)
        rows += [-bad, bad]
        counts += [round(share * p10), round(share * p01)]
        keep = np.array(counts) > 0
        yield name, np.array(rows)[keep], np.array(counts)[keep]


def main():
    """Draw, choose, count, and show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=Path)
    parser.add_argument("--draws", type=int, default=10_000)
    parser.add_argument("--samples", type=int, default=2_500, help="images of a calibration set")
    parser.add_argument("--max-drop", type=float, default=0.01)
    parser.add_argument("--confidence", type=float, default=0.95)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    eps, delta = options.max_drop, 1 - options.confidence
    needed = samples_needed(eps, options.confidence)
    allowed = delta + 3 * np.sqrt(delta * options.confidence / options.draws)
    print(
        f"{options.draws} draws of {options.samples} samples (at least {needed} are needed), eps {eps}, delta {delta:g}"
    )
    print(f"allowed: {allowed:.4f} = delta and three standard errors")
    table = []
    for folder in options.runs:
        run = Run.open(folder)
        trace = ScoreTrace.read(folder / TRACE_FILE)
        for kind in ("entropy", "margin"):
            path = ExitPath.of(kind, accumulation_of(run))
            steps = exit_curve(trace, path).mean_steps
            found = check(*patterns(trace, path), steps, trace.n_steps, options, eps)
            table.append({"population": f"{folder.name}, {kind}", "n_steps": trace.n_steps, **found})
    for name, rows, counts in synthetic(eps):
        steps = np.linspace(3.9, 1.0, rows.shape[1])
        found = check(rows, counts, steps, 4, options, eps)
        table.append({"population": f"synthetic, {name}", "n_steps": 4, **found})
    print(f"{'population':40} {'T':>4}  {'drop':>16} {'harm':>16} {'heuristic':>16}   (violations, mean steps)")
    for row in table:
        cells = (
            f"{row[way]['violations']:8.4f} {row[way]['mean_steps']:7.2f}" for way in ("drop", "harm", "heuristic")
        )
        print(f"{row['population']:40} {row['n_steps']:>4}  " + " ".join(cells))
    holds = all(row[form]["violations"] <= allowed for row in table for form in ("drop", "harm"))
    print("the guarantee", "holds" if holds else "IS BROKEN")
    if options.json:
        asked = {key: getattr(options, key) for key in ("draws", "samples", "max_drop", "confidence", "seed")}
        write_json(options.json, {"asked": asked, "allowed": allowed, "rows": json.loads(json.dumps(table))})


if __name__ == "__main__":
    main()
