"""DT-SNN's table for one trained network: what early exit costs and saves beside everything it could be compared with.

Rows: the network cut after each timestep; networks trained for fewer timesteps; each exit setting of the run with its
random-exit control (as many exits at every step, of images drawn at random); and a conventional network of as many
bits with exits of its own. Columns: accuracy, timesteps, and energy, latency and energy-delay product on the chip that
is calibrated to DT-SNN and on the one from first principles, each working off timesteps in turn or in a pipeline.

"At equal accuracy" holds a row against the static curve: the energy-delay product at which straight lines between the
cuts T = 1, 2, ... reach the row's accuracy. An accuracy that no cut reaches is held against the best of them.

    python benchmarks/dtsnn_table.py RUN [--trained RUN ...] [--ann FILE] [--chips N] [--json FILE]

RUN is a run folder of `spikewise train`, with the settings that `spikewise exit` added. Nothing is trained and, but for
--chips, no image is looked at: every figure follows from what the runs recorded.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from spikewise._files import write_json
from spikewise.dynamic.rule import EntropyExit, rule_from_dict
from spikewise.dynamic.sigma_e import SigmaEUnit, agreement
from spikewise.dynamic.trace import ScoreTrace
from spikewise.price import load_platform
from spikewise.price.nonideal import Nonideal
from spikewise.price.nonideal_study import study
from spikewise.price.schedule import Schedule
from spikewise.runs import EXIT_FILE, MODEL_FILE, TRACE_FILE, WORKLOAD_FILE, Run
from spikewise.workflow.exit import splits_of
from spikewise.workload import Workload

CALIBRATED, PHYSICAL = "rram-64-32nm", "rram-64-32nm-physical"
SPREADS, N_IMAGES = (0.0, 0.1, 0.2), 1_000


def chips_by_name():
    """Both chips, each with steps in turn and in a pipeline."""
    found = {}
    for label, name in (("calibrated", CALIBRATED), ("physical", PHYSICAL)):
        chip = load_platform(name)
        found[label] = chip
        found[f"{label}, pipelined"] = chip.model_copy(update={"schedule": Schedule(mode="pipelined")})
    return found


def row_of(name, accuracy, load, chips):
    """A row of the table from what was computed."""
    prices = {}
    for label, chip in chips.items():
        report = chip.estimate(load)
        prices[label] = {key: getattr(report, key) for key in ("energy_j", "latency_s", "edp_js")}
    return {
        "name": name, "accuracy": accuracy, "mean_steps": load.mean_steps, "histogram": list(load.exit_histogram),
        "prices": prices,
    }  # fmt: skip


def static_rows(trace, load, chips):
    """The network cut after 1, 2, ..., T timesteps."""
    reports = {label: chip.estimate(load.without_exit()) for label, chip in chips.items()}
    rows = []
    for step, accuracy in enumerate(trace.accuracy_by_step().tolist(), 1):
        prices = {}
        for label, report in reports.items():
            energy, latency = report.energy_at(step), report.latency_at(step)
            prices[label] = {"energy_j": energy, "latency_s": latency, "edp_js": energy * latency}
        rows.append({"name": f"cut at T={step}", "accuracy": accuracy, "mean_steps": float(step), "prices": prices})
    return rows


def equal_accuracy(accuracy, static, label):
    """Energy-delay product at which the static curve reaches an accuracy.

    >>> curve = [{"accuracy": a, "prices": {"chip": {"edp_js": e}}} for a, e in ((0.5, 1.0), (0.7, 3.0))]
    >>> equal_accuracy(0.6, curve, "chip"), equal_accuracy(0.9, curve, "chip"), equal_accuracy(0.1, curve, "chip")
    (2.0, 3.0, 1.0)
    """
    heights = np.maximum.accumulate([row["accuracy"] for row in static])  # a cut that is no better buys nothing
    products = np.array([row["prices"][label]["edp_js"] for row in static])
    reached = int(np.searchsorted(heights, accuracy))
    if reached == 0 or reached == len(heights):
        return float(products[0] if reached == 0 else products[int(np.argmax(heights))])
    share = (accuracy - heights[reached - 1]) / (heights[reached] - heights[reached - 1])
    return float(products[reached - 1] + share * (products[reached] - products[reached - 1]))


def exit_rows(run, trace, chips):
    """Each exit setting with what the hardware unit would decide, and its control."""
    rows = []
    for file in sorted(run.path.glob(f"exits/*/{EXIT_FILE}")):
        found = json.loads(file.read_text("utf-8"))
        rule = rule_from_dict(found["rule"])
        row = row_of(f"exit {found['name']}", found["accuracy_exit"], Workload.read(file.parent / WORKLOAD_FILE), chips)
        row |= {"threshold": found["threshold"], "p95_steps": found["p95_steps"]}
        if isinstance(rule, EntropyExit) and np.isscalar(rule.max_entropy) and rule.temperature == 1:
            row["unit_agrees"] = agreement(SigmaEUnit(), rule, trace)
        rows += [row, {**row, "name": f"random {found['name']}", "accuracy": found["accuracy_random_exit"]}]
    return rows


def trained_rows(paths, chips):
    """Full runs of other networks, such as those trained for fewer timesteps."""
    for path in paths:
        trace, load = ScoreTrace.read(path / TRACE_FILE), Workload.read(path / WORKLOAD_FILE).without_exit()
        yield row_of(f"trained at T={load.n_steps}", float(trace.accuracy_by_step()[-1]), load, chips)


def ann_rows(path, chips):
    """A conventional network with exits, from benchmarks/early_exit_ann.py: it pays for every layer until its exit."""
    found = json.loads(path.read_text("utf-8"))
    stages = [Workload.from_dict(raw) for raw in found["stages"]]
    reports = {label: [chip.estimate(load) for load in stages] for label, chip in chips.items()}
    for exits in found["exits"]:
        shares = np.array(exits["histogram"]) / sum(exits["histogram"])
        prices = {}
        for label, priced in reports.items():
            energies, latencies = (np.array([getattr(r, key) for r in priced]) for key in ("energy_j", "latency_s"))
            prices[label] = {
                "energy_j": float(shares @ energies), "latency_s": float(shares @ latencies),
                "edp_js": float(shares @ (energies * latencies)),
            }  # fmt: skip
        yield {"name": exits["name"], "accuracy": exits["accuracy"], "mean_steps": 1.0, "prices": prices}


def unit_shares(load, chips):
    """Share of a full run's energy that the unit that decides the exits takes."""
    shares = {}
    for label, chip in chips.items():
        report = chip.estimate(load.without_exit())
        shares[label] = report.breakdown("component")["exit_unit"].energy_j / report.energy_j
    return shares


def variation(run, n_chips):
    """Accuracy and timesteps of chips whose cells are spread, on some test images; every look is logged."""
    from spikewise.network import SpikingClassifier

    network, splits = SpikingClassifier.load(run.path / MODEL_FILE), splits_of(run)
    rule = rule_from_dict(json.loads((run.path / "exits/drop-0.005" / EXIT_FILE).read_text("utf-8"))["rule"])
    pairs = [(images.images[:N_IMAGES], images.labels[:N_IMAGES]) for images in (splits["validation"], splits["test"])]
    rows = {}
    for spread in SPREADS:
        seeds = range(n_chips if spread else 1)  # without luck all chips are alike
        for seed in seeds:
            run.log_test_evaluation(f"chip {seed}, spread {spread:g}", N_IMAGES)
        chip = Nonideal.of(PHYSICAL, on_off=10, variation=spread)
        found = study(network.model, chip, *pairs, rule, seeds=seeds, n_steps=network.n_steps)
        rows[f"{spread:g}"] = {"mean": found.mean(), "spread": found.spread(), "n_chips": len(seeds)}
    return rows


def show(found, console):
    """The table, with savings against the full run and at equal accuracy."""
    static, full = found["static"], found["static"][-1]
    table = Table(title=f"{found['run']}: % of the energy-delay product of T={len(static)} (of equal accuracy)")
    for header in ("", "accuracy", "steps", *full["prices"]):
        table.add_column(header, justify="right" if header else "left")
    for row in found["static"] + found["others"]:
        cells = [
            f"{price['edp_js'] / full['prices'][label]['edp_js']:.0%} "
            f"({price['edp_js'] / equal_accuracy(row['accuracy'], static, label):.0%})"
            for label, price in row["prices"].items()
        ]
        table.add_row(row["name"], f"{row['accuracy']:.2%}", f"{row['mean_steps']:.2f}", *cells)
    console.print(table)
    for row in found["others"]:
        if "unit_agrees" in row and row["name"].startswith("exit"):
            console.print(f"{row['name']}: {row['histogram']}; the unit agrees in {row['unit_agrees']:.3%}")
    console.print("exit unit: " + ", ".join(f"{label} {share:.1e}" for label, share in found["unit_share"].items()))
    for spread, row in found.get("variation", {}).items():
        console.print(f"spread {spread}: {row['mean']} +- {row['spread']}")


def main():
    """Price, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--trained", type=Path, nargs="+", default=[], help="runs with fewer timesteps")
    parser.add_argument("--ann", type=Path, help="what benchmarks/early_exit_ann.py wrote")
    parser.add_argument("--chips", type=int, default=0, help="chips with spread cells to answer on")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    run, chips = Run.open(options.run), chips_by_name()
    trace, load = ScoreTrace.read(run.path / TRACE_FILE), Workload.read(run.path / WORKLOAD_FILE)
    others = [*trained_rows(options.trained, chips), *exit_rows(run, trace, chips)]
    found = {
        "run": run.path.name, "static": static_rows(trace, load, chips),
        "others": others + (list(ann_rows(options.ann, chips)) if options.ann else []),
        "unit_share": unit_shares(load, chips),
    }  # fmt: skip
    if options.chips:
        found["variation"] = variation(run, options.chips)
    show(found, Console())
    if options.json:
        write_json(options.json, found)


if __name__ == "__main__":
    main()
