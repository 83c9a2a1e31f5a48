"""DT-SNN's table for one trained network: what early exit costs and saves beside everything it could be compared with.

Rows: the network cut after each timestep; networks trained for fewer timesteps; each exit setting of the run, its
random-exit control (as many exits at every step, of images drawn at random); and a conventional network of as many
bits with exits of its own. Columns: accuracy, timesteps, and energy, latency and energy-delay product on the chip that
is calibrated to DT-SNN and on the one from first principles, each working off timesteps in turn or in a pipeline.

"At equal accuracy" holds a row against the static curve (spikewise.dynamic.equal_accuracy), with 95 % intervals for
exit settings. A chip that computes a conventional network pays for every bit of an activation that is not zero.

    python benchmarks/dtsnn_table.py RUN [--trained RUN ...] [--ann FILE] [--chips N] [--json FILE]

RUN is a run folder of `spikewise train`, with the settings that `spikewise exit` added. Nothing is trained and, but for
--chips, no image is looked at: every figure follows from what the runs recorded.
"""

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from spikewise.dynamic import (
    EntropyExit,
    ScoreTrace,
    SigmaEUnit,
    agreement,
    cost_at_accuracy,
    rule_from_dict,
    saving_interval,
)
from spikewise.nonideal import Nonideal, study_chips
from spikewise.price import Schedule, load_platform
from spikewise.runs import EXIT_FILE, MODEL_FILE, TRACE_FILE, WORKLOAD_FILE, Run, write_json
from spikewise.units import format_si
from spikewise.workflow import splits_of
from spikewise.workload import Workload

CHIPS = {"calibrated": "rram-64-32nm", "physical": "rram-64-32nm-physical"}
FIGURES = {"energy_j": "J", "latency_s": "s", "edp_js": "Js"}
SPREADS, N_IMAGES = (0.0, 0.1, 0.2), 1_000


def chips_by_name():
    """Both chips, each with steps in turn and in a pipeline."""
    found = {}
    for label, name in CHIPS.items():
        chip = load_platform(name)
        found[label] = chip
        found[f"{label}, pipelined"] = chip.model_copy(update={"schedule": Schedule(mode="pipelined")})
    return found


def row_of(name, accuracy, load, chips):
    """A row of the table from what was computed; energies also with once-work charged in other ways."""
    prices = {}
    for label, chip in chips.items():
        report = chip.estimate(load)
        prices[label] = {
            **{key: getattr(report, key) for key in FIGURES},
            "latency_p95_s": report.latency_quantile(0.95),
            "energy_j_by_mode": {mode.mode: mode.energy_j for mode in report.once_modes},
        }
    return {
        "name": name, "accuracy": accuracy, "mean_steps": load.mean_steps, "histogram": list(load.exit_histogram),
        "prices": prices,
    }  # fmt: skip


def static_rows(trace, load, chips):
    """The network cut after 1, 2, ..., T timesteps, each priced as a network of so many."""
    accuracies = enumerate(trace.accuracy_by_step().tolist(), 1)
    return [row_of(f"cut at T={step}", accuracy, load.cut_at(step), chips) for step, accuracy in accuracies]


def edp_by_step(load, chip):
    """Energy-delay product (T,) of a sample that leaves after each step."""
    report = chip.estimate(load)
    return np.array([report.energy_at(step) * report.latency_at(step) for step in range(1, load.n_steps + 1)])


def exit_rows(run, trace, full, static, chips):
    """Each exit setting with its intervals and with what the hardware unit would decide, and its control."""
    for file in sorted(run.path.glob(f"exits/*/{EXIT_FILE}")):
        found, load = json.loads(file.read_text("utf-8")), Workload.read(file.parent / WORKLOAD_FILE)
        rule = rule_from_dict(found["rule"])
        row = row_of(f"exit {found['name']}", found["accuracy_exit"], load, chips)
        row["compared"] = {
            label: asdict(saving_interval(
                trace, rule, edp_by_step(load, chip), [each["prices"][label]["edp_js"] for each in static],
            ))
            for label, chip in chips.items()
        }  # fmt: skip
        if isinstance(rule, EntropyExit) and np.isscalar(rule.max_entropy) and rule.temperature == 1:
            row["unit_agrees"] = agreement(SigmaEUnit(), rule, trace)
        yield row | {"threshold": found["threshold"]}
        at_random = replace(full, exit_histogram=load.exit_histogram)
        yield row_of(f"random {found['name']}", found["accuracy_random_exit"], at_random, chips)


def trained_rows(paths, chips):
    """Full runs of other networks, such as those trained for fewer timesteps."""
    for path in paths:
        trace, load = ScoreTrace.read(path / TRACE_FILE), Workload.read(path / WORKLOAD_FILE).without_exit()
        yield row_of(f"trained at T={load.n_steps}", float(trace.accuracy_by_step()[-1]), load, chips)


def ann_rows(path, chips):
    """A conventional network with exits, from benchmarks/early_exit_ann.py: it pays for every layer until its exit.

    What a chip does once per inference is paid by every sample, whichever exit it takes.
    """
    found = json.loads(path.read_text("utf-8"))
    load = Workload.from_dict(found["workload"])
    by_layer = {label: chip.estimate(load).breakdown("layer") for label, chip in chips.items()}
    for row in found["rows"]:
        prices = {}
        for label, costs in by_layer.items():
            run_parts = [[costs["chip"], *(costs[name] for name in names)] for names in row["layers"]]
            energies = np.array([sum(part.energy_j for part in parts) for parts in run_parts])
            latencies = np.array([sum(part.latency_s for part in parts) for parts in run_parts])
            shares = np.array(row["shares"])
            prices[label] = {
                "energy_j": float(shares @ energies), "latency_s": float(shares @ latencies),
                "edp_js": float(shares @ (energies * latencies)),
            }  # fmt: skip
        yield {
            "name": row["name"], "accuracy": row["accuracy"], "mean_steps": None, "shares": row["shares"],
            "prices": prices,
        }  # fmt: skip


def unit_shares(load, chips):
    """Share of a full run's energy that the unit that decides the exits takes."""
    shares = {}
    for label, chip in chips.items():
        report = chip.estimate(load.without_exit())
        shares[label] = report.breakdown("component")["exit_unit"].energy_j / report.energy_j
    return shares


def variation(run, setting, n_chips):
    """Accuracy and timesteps of chips whose cells are spread, on some test images; every look is logged."""
    from spikewise.network import SpikingClassifier

    network, splits = SpikingClassifier.load(run.path / MODEL_FILE), splits_of(run)
    rule = rule_from_dict(json.loads((run.path / "exits" / setting / EXIT_FILE).read_text("utf-8"))["rule"])
    pairs = []
    for part in (splits["validation"], splits["test"]):
        some = part.subset(slice(N_IMAGES))
        pairs.append((some.images, some.labels))
    rows = {}
    for spread in SPREADS:
        seeds = range(n_chips if spread else 1)  # without luck all chips are alike
        with run.locked():
            for seed in seeds:
                run.log_test_evaluation(f"chip {seed}, spread {spread:g}", len(pairs[1][1]))
        chip = Nonideal.of(CHIPS["physical"], on_off=10, variation=spread)
        found = study_chips(network.model, chip, *pairs, rule, seeds=seeds, n_steps=network.n_steps)
        rows[f"{spread:g}"] = {"mean": found.mean(), "spread": found.spread(), "n_chips": len(seeds)}
    return rows


def show(found, console):
    """A table per chip: figures, against the full run, and at equal accuracy."""
    static = found["static"]
    for label in static[-1]["prices"]:
        table = Table(title=f"{found['run']}, {label}")
        for header in ("", "accuracy", "steps", "energy", "latency", "EDP", f"of T={len(static)}", "of equal accuracy"):
            table.add_column(header, justify="right" if header else "left", no_wrap=True)
        products = [row["prices"][label]["edp_js"] for row in static]
        for row in static + found["others"]:
            price = row["prices"][label]
            equal = price["edp_js"] / cost_at_accuracy([each["accuracy"] for each in static], products, row["accuracy"])
            ends = row["compared"][label]["cost_ratio"][1:] if "compared" in row else ()
            interval = f" ({ends[0]:.2f} to {ends[1]:.2f})" if ends else ""
            table.add_row(
                row["name"], f"{row['accuracy']:.2%}", f"{row['mean_steps']:.2f}" if row["mean_steps"] else "",
                *(format_si(price[key], unit) for key, unit in FIGURES.items()),
                f"{price['edp_js'] / products[-1]:.2f}", f"{equal:.2f}{interval}",
            )  # fmt: skip
        console.print(table)
    for row in found["others"]:
        if "compared" in row:
            kept = row["compared"]["calibrated"]
            console.print(
                f"{row['name']}: leaves at {row['histogram']}, drop {_points(kept['drop'])}, above random "
                f"{_points(kept['above_random'])}; the unit agrees in {row.get('unit_agrees', 0):.3%}"
            )
    console.print("exit unit: " + ", ".join(f"{label} {share:.1e}" for label, share in found["unit_share"].items()))
    if "variation" in found:
        console.print(_variation_table(found["variation"]))


def _variation_table(rows):
    """Chips with spread cells: mean +- standard deviation over the chips."""
    table = Table(title=f"physical chip with spread cells, at most {N_IMAGES} test images")
    headers = "spread", "chips", "all steps", "exit", "steps", "exit, threshold chosen on the chip", "steps"
    for header in headers:
        table.add_column(header, justify="right")
    for spread, row in rows.items():
        mean, std = row["mean"], row["spread"]
        cells = [f"{mean['accuracy_static']:.2%} +- {100 * std['accuracy_static']:.2f}"]
        for kind in ("clean", "chip"):
            cells.append(f"{mean[f'accuracy_{kind}']:.2%} +- {100 * std[f'accuracy_{kind}']:.2f}")
            cells.append(f"{mean[f'steps_{kind}']:.2f} +- {std[f'steps_{kind}']:.2f}")
        table.add_row(spread, str(row["n_chips"]), *cells)
    return table


def _points(figures):
    value, low, high = (100 * figure for figure in figures)
    return f"{value:.2f} points ({low:.2f} to {high:.2f})"


def main():
    """Price, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--trained", type=Path, nargs="+", default=[], help="runs with fewer timesteps")
    parser.add_argument("--ann", type=Path, help="what benchmarks/early_exit_ann.py wrote")
    parser.add_argument("--chips", type=int, default=0, help="chips with spread cells to answer on")
    parser.add_argument("--setting", default="drop-0.005", help="exit setting for --chips")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    run, chips = Run.open(options.run), chips_by_name()
    trace, load = ScoreTrace.read(run.path / TRACE_FILE), Workload.read(run.path / WORKLOAD_FILE)
    static = static_rows(trace, load, chips)
    others = [*trained_rows(options.trained, chips), *exit_rows(run, trace, load, static, chips)]
    found = {
        "run": run.path.name, "static": static, "unit_share": unit_shares(load, chips),
        "others": others + (list(ann_rows(options.ann, chips)) if options.ann else []),
    }  # fmt: skip
    if options.chips:
        found["variation"] = variation(run, options.setting, options.chips)
    show(found, Console(width=max(120, Console().width)))
    if options.json:
        write_json(options.json, found)


if __name__ == "__main__":
    main()
