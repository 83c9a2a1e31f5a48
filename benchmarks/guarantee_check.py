"""Does the guarantee hold? Calibration sets drawn from a population whose risk is known, many times.

A trace stands for the whole population: the loss of each rule on all of it is the true one. From it, calibration sets
are drawn with replacement, a threshold is chosen on each, and a violation is a chosen rule whose true loss exceeds the
bound. A guarantee with confidence 1 - delta may be violated in a share delta of the draws; beside it stands the
heuristic, which promises nothing. Synthetic populations whose loss lies just above the bound are
the hardest case. The conditional form is checked along a path that opens early steps last.

    python benchmarks/guarantee_check.py RUN [RUN ...] [--json FILE]

Each RUN is a run folder with a trace of its test images, such as `spikewise train --data cifar10` and
`spikewise stdp --data mnist` leave. Test images serve as a population here: nothing is chosen for use.
"""

import argparse
from pathlib import Path

import numpy as np

from spikewise.dynamic import RULES, ExitPath, ScoreTrace, last_passed, last_within, outcomes, rules_out, samples_needed
from spikewise.runs import TRACE_FILE, Run, write_json
from spikewise.workflow import accumulation_of

N_TOGETHER = 250  # draws
OPENED = 0.3  # bound on uncertainty of the path of the conditional form
MOST_STEPS = 16  # of a network whose conditional form is checked


class Population:
    """Gains and exit steps (N, M) of all samples under each rule of a path; the truth about each rule follows."""

    def __init__(self, gain, steps, n_steps, may_leave=None):
        self.harmed, self.helped = (np.ascontiguousarray(part, np.float32) for part in (gain < 0, gain > 0))
        self.steps, self.n_steps = np.ascontiguousarray(steps, np.float32), n_steps
        self.may_leave = may_leave  # (M, T), for the conditional form
        self.risk = {"drop": -gain.mean(0, dtype=float), "harm": (gain < 0).mean(0)}
        self.mean_steps = steps.mean(0)
        if may_leave is not None:
            left = [(steps <= step) for step in range(1, n_steps + 1)]
            by_step = [-(gain * some).sum(0) / np.maximum(some.sum(0), 1) for some in left]
            self.risk["conditional"] = np.where(may_leave, np.array(by_step).T, -1.0).max(1)

    @classmethod
    def of(cls, trace, path, *, conditional=False):
        """Of recorded scores."""
        may_leave = None
        if conditional:
            may_leave = np.maximum.accumulate(path.bounds(trace.n_steps) > 0, axis=1)
            may_leave[:, -1] = True
        return cls(*(part.T for part in outcomes(trace, path)), trace.n_steps, may_leave)


def draws(n_samples, options):
    """How often each of so many samples is in a calibration set: arrays (draws, N)."""
    rng = np.random.default_rng(options.seed)
    for first in range(0, options.draws, N_TOGETHER):
        n = min(N_TOGETHER, options.draws - first)
        rows = rng.integers(n_samples, size=(n, options.samples)) + np.arange(n)[:, None] * n_samples
        yield np.bincount(rows.ravel(), minlength=n * n_samples).reshape(n, n_samples).astype(np.float32)


def check(population, options):
    """Violations and mean steps of each way of choosing, over the draws."""
    n, eps, delta = options.samples, options.max_drop, 1 - options.confidence
    places = {way: [] for way in ("drop", "harm", "heuristic")}
    for drawn in draws(len(population.steps), options):
        harmed, helped = drawn @ population.harmed, drawn @ population.helped
        saved = population.n_steps - drawn @ population.steps / n
        for form in ("drop", "harm"):
            places[form] += [last_passed(row) for row in rules_out(harmed, helped, n, eps, delta, form)]
        for row in zip(harmed, helped, saved, strict=True):
            found = last_within(*row, n, eps)
            places["heuristic"].append(-1 if found is None else found)
    return _judged(population, places, eps)


def check_conditional(population, options):
    """The same of the conditional form."""
    eps, delta = options.max_drop, 1 - options.confidence
    left = [population.steps <= step for step in range(1, population.n_steps + 1)]
    arrays = [[np.float32(some), population.harmed * some, population.helped * some] for some in left]
    places = []
    for drawn in draws(len(population.steps), options):
        passed = np.ones((len(drawn), population.steps.shape[1]), bool)
        for step, parts in enumerate(arrays):
            n, harmed, helped = (drawn @ part for part in parts)
            passed &= rules_out(harmed, helped, n, eps, delta) | ~population.may_leave[:, step]
        places += [last_passed(row) for row in passed]
    return _judged(population, {"conditional": places}, eps)


def _judged(population, places, eps):
    found = {}
    for way, chosen in places.items():
        true = np.append(population.risk[way if way in population.risk else "drop"], 0.0)[chosen]
        used = np.append(population.mean_steps, population.n_steps)[chosen]
        found[way] = {"violations": float((true > eps + 1e-12).mean()), "mean_steps": float(used.mean())}
    return found


def synthetic(eps, n_rules=12, n_samples=100_000):
    """Populations whose loss lies just above the bound, from the first rule on or after some good ones."""
    for name, p01, first_bad in (("harms alone", 0.0, 0), ("harms and helps", 0.02, 0), ("after five good", 0.02, 5)):
        is_bad = np.arange(n_rules) >= first_bad
        gain = np.zeros((n_samples, n_rules), np.int8)
        n_helped = round(n_samples * p01)
        n_harmed = int(n_samples * eps) + 1 + n_helped
        gain[:n_harmed] = -is_bad.astype(np.int8)
        gain[n_harmed : n_harmed + n_helped] = is_bad
        steps = np.broadcast_to(np.linspace(3.9, 1.0, n_rules), gain.shape)
        yield name, Population(gain, steps, 4)


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
    print(f"{options.draws} draws of {options.samples} samples, at least {needed} needed; eps {eps}, delta {delta:g}")
    print(f"allowed: {allowed:.4f} = delta and three standard errors; violations, then mean steps:")
    table = []

    def note(name, n_steps, found):
        table.append({"population": name, "n_steps": n_steps, **found})
        cells = (f"{way} {each['violations']:.4f} {each['mean_steps']:.2f}" for way, each in found.items())
        print(f"{name:36} T={n_steps:<4} " + "   ".join(cells), flush=True)

    for folder in options.runs:
        accumulate = accumulation_of(Run.open(folder))
        trace = ScoreTrace.read(folder / TRACE_FILE)
        for kind in ("entropy", "margin"):
            found = check(Population.of(trace, ExitPath.of(kind, accumulate)), options)
            if trace.n_steps <= MOST_STEPS:
                path = ExitPath.enabling(RULES[kind].at(OPENED, accumulate), trace.n_steps)
                found |= check_conditional(Population.of(trace, path, conditional=True), options)
            note(f"{folder.name}, {kind}", trace.n_steps, found)
    for name, population in synthetic(eps):
        note(f"synthetic, {name}", 4, check(population, options))
    forms = ("drop", "harm", "conditional")
    holds = all(row[form]["violations"] <= allowed for row in table for form in forms if form in row)
    print("the guarantee", "holds" if holds else "IS BROKEN")
    if options.json:
        asked = {key: getattr(options, key) for key in ("draws", "samples", "max_drop", "confidence", "seed")}
        write_json(options.json, {"asked": asked, "allowed": float(allowed), "rows": table})


if __name__ == "__main__":
    main()
