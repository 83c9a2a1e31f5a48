"""FSpiNN's table: accuracy, memory and energy of three rules by size of the network, and where the savings come from.

    python benchmarks/fspinn_table.py [--quick] [--sizes 400 ...] [--data mnist ...] [--jobs 2] [--out FILE] [--json F]

Rules: `diehl_cook`, the baseline, in 32-bit floats; `fspinn`, our reconstruction, and `lean`, both in 8 bits. All see
the same images (350 steps of 1 ms, one pass), and have the same decoder (naive Bayes), labelled with the same images.
Thresholds of early exit are chosen on images kept out of learning for a loss of at most half a point; the test images
are looked at once by each network, and the look is logged in the file.

Energy of one sample, training and inference, as a waterfall against the baseline: (A) dense and clock-driven, all in 32
bits: every weight and every neuron at every step, inhibition of the baseline and of `fspinn` as stored matrices; (B)
event-driven, all in 32 bits: what the engines counted, and no matrix for anybody, since inhibition that is equal for
all needs none; (C) the same with the bits that the rules have; (D) with early exit, which the baseline, as it was
published, has not; (E) with early exit for the baseline too. What A says of training is that the baseline, as it is
usually computed, changes all weights twice per step and the others once per window or sample. All memories lie on the
chip, however large, so that no saving comes from crossing to DRAM. CPU times are those of two processes that share the
machine: the ratios are indicative. Finished networks are kept in the file and not computed again.
"""

import argparse
import json
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from spikewise.data import load_splits
from spikewise.dynamic import ExitPath, calibrate, replay_exit
from spikewise.learn import STDPClassifier
from spikewise.price import estimate_operations, load_platform, state_bits_of, varied, weight_bits_of
from spikewise.runs import write_json
from spikewise.workload import OperationCounts, Operations, Workload

SIZES = (400, 900, 1600, 2500, 3600, 4900)
DATA = ("mnist", "fashion-mnist")
RULES = {"diehl_cook": None, "fspinn": 8, "lean": 8}
BASELINE, FLOAT_BITS, N_STEPS, MAX_DROP = "diehl_cook", 32, 350, 0.005
N_COUNTED = 1000  # validation images whose operations are counted
AGAINST = {"A": "A", "B": "B", "C": "B", "D": "B", "E": "D"}  # stage of the baseline that a stage is compared with
PAPER = {"memory": 7.5, "training": 3.5, "inference": 1.8}  # arXiv 2007.08860, abstract


def network_row(data, n_neurons, rule, n_train, n_labelled, n_kept):
    """Learn, label, choose a threshold, and look at the test images once."""
    splits = load_splits(data, min_validation=10_000)
    train, kept, test = (
        splits["train"].subset(slice(n_train)),
        splits["validation"].subset(slice(n_kept)),
        splits["test"],
    )
    model = STDPClassifier(n_neurons, rule=rule, n_bits=RULES[rule], n_steps=N_STEPS, n_epochs=1, random_state=0)
    encoder = model._new_encoder()
    model._new_encoder().fit(train.images[:50]).transform(train.images[:50])  # compiles, or loads what was compiled
    began = time.process_time()
    model.encoder_ = encoder.fit(train.images)
    learned = time.process_time()
    model.n_features_in_ = encoder.n_features_in_
    model.label(train.images[:n_labelled], train.labels[:n_labelled])
    seen = model.trace(kept.images, kept.labels)
    rule_chosen = calibrate(seen, ExitPath.of("entropy", "sum"), max_drop=MAX_DROP).rule
    answering = time.process_time()
    trace = model.trace(test.images, test.labels)
    answered = time.process_time()
    steps, answers = replay_exit(trace, rule_chosen)
    few = kept.images[:N_COUNTED]
    full, stopped = model.workload(few), model.workload(few, rule_chosen)
    return {
        "data": data, "n_neurons": n_neurons, "rule": rule, "n_train": n_train, "n_labelled": n_labelled,
        "accuracy_kept": float(seen.accuracy_by_step()[-1]),
        "accuracy": float(trace.accuracy_by_step()[-1]),
        "accuracy_exit": float(np.mean(answers == trace.labels)),
        "mean_steps": float(steps.mean()),
        "train_cpu_s": (learned - began) / n_train,
        "answer_cpu_s": (answered - answering) / test.n_samples,
        "full": full.to_dict(), "stopped": stopped.to_dict(),
        "test_evaluation": {"n_samples": test.n_samples, "what": "accuracy with and without early exit"},
    }  # fmt: skip


def dense(load, rule):
    """Operations of a clock-driven network that touches every weight and every neuron at every step.

    The baseline has a second population, and its inhibition as two matrices, as BindsNET stores them (one of them
    leaks here); `fspinn` has one matrix between its neurons; `lean` subtracts one number. Plasticity: the baseline
    changes all weights at every step for spikes of inputs and again for those of neurons; `fspinn` once for each of its
    four windows, and scales them once; `lean` once per sample.
    """
    layer = load.layers[0]
    n_weights, n = layer.n_weights, layer.n_neurons
    lateral = {"diehl_cook": 2 * n * n, "fspinn": n * n, "lean": n}[rule]
    populations = 2 if rule == "diehl_cook" else 1
    step = Operations(
        weight_reads=n_weights + lateral, additions=n_weights + lateral + populations * n,
        state_reads=2 * populations * n, state_writes=2 * populations * n,
        multiplications=populations * n, comparisons=populations * n,
    )  # fmt: skip
    inference = scaled(step, N_STEPS)
    updates = {"diehl_cook": 2 * N_STEPS, "fspinn": 5, "lean": 1}[rule]
    plasticity = Operations(
        weight_reads=n_weights * updates, weight_writes=n_weights * updates, additions=n_weights * updates,
        multiplications=n_weights * updates, state_reads=(layer.n_inputs + n) * updates,
    )  # fmt: skip
    counts = OperationCounts({"dense": inference}, {"dense": inference, "plasticity": plasticity})
    return replace(inhibited(load, "broadcast" if rule == "lean" else "matrix"), counts=counts)


def inhibited(load, lateral):
    """The same network with inhibition kept as a matrix, or broadcast as one sum."""
    return replace(load, layers=(replace(load.layers[0], lateral=lateral),))


def scaled(operations, factor):
    """Operations done several times."""
    return Operations(**{key: factor * value for key, value in asdict(operations).items()})


def platforms():
    """Digital chip with all memories on it, and embedded processor."""
    return {
        "digital-45nm": varied("digital-45nm", {"memory.capacity": 1e6}),
        "embedded-cpu": load_platform("embedded-cpu"),
    }


def energies(row, platform):
    """Joules of a sample at each stage of the waterfall, training and inference."""
    full, stopped = (inhibited(Workload.from_dict(row[key]), "broadcast") for key in ("full", "stopped"))
    own = FLOAT_BITS if RULES[row["rule"]] is None else None  # None: as the network is
    loads = {
        "A": dense(full, row["rule"]).with_bits(FLOAT_BITS),
        "B": full.with_bits(FLOAT_BITS),
        "C": full if own is None else full.with_bits(own),
        "D": stopped if own is None else stopped.with_bits(own),
    }
    found = {
        (stage, phase): estimate_operations(load, platform, phase).energy_j
        for stage, load in loads.items() for phase in ("training", "inference")
        if not (stage == "D" and phase == "training")
    }  # fmt: skip
    found["E", "inference"] = found["D", "inference"]
    return found


def memory_figures(row):
    """Bits: with matrices, as FSpiNN's saving can be understood; as ours are stored; and without any matrix.

    The last two count states too.
    """
    layer = Workload.from_dict(row["full"]).layers[0]
    n, bits = layer.n_neurons, FLOAT_BITS if RULES[row["rule"]] is None else layer.weight_bits
    matrices = 2 if row["rule"] == BASELINE else 1
    return {
        "paper": (layer.n_weights + matrices * n * n) * bits,
        "stored": weight_bits_of(layer) + state_bits_of(layer, "training"),
        "bare": layer.n_weights * bits + state_bits_of(layer, "training"),
    }


def counted(row):
    """Operations of a full run per sample, training and inference, by component."""
    counts = Workload.from_dict(row["full"]).counts
    return {"training": counts.training, "inference": counts.inference}


def summary(rows):
    """Figures of every data set and size, all as ratios to the baseline of that size."""
    table = []
    for data, n in dict.fromkeys((row["data"], row["n_neurons"]) for row in rows):
        group = {row["rule"]: row for row in rows if (row["data"], row["n_neurons"]) == (data, n)}
        if set(group) != set(RULES):
            continue
        base_memory = memory_figures(group[BASELINE])
        base = {name: energies(group[BASELINE], chip) for name, chip in platforms().items()}
        for rule, row in group.items():
            memory = memory_figures(row)
            line = {
                "data": data, "n_neurons": n, "rule": rule, "accuracy": row["accuracy"],
                "accuracy_exit": row["accuracy_exit"], "mean_steps": row["mean_steps"],
                "memory_bits": memory, "memory_saving": {key: base_memory[key] / memory[key] for key in memory},
                "train_cpu_s": row["train_cpu_s"], "answer_cpu_s": row["answer_cpu_s"],
                "cpu_saving": {
                    key: group[BASELINE][f"{key}_cpu_s"] / row[f"{key}_cpu_s"] for key in ("train", "answer")
                },
                "operations": {
                    phase: asdict(sum(parts.values(), Operations())) for phase, parts in counted(row).items()
                },
                "platforms": {},
            }  # fmt: skip
            for name, chip in platforms().items():
                found = energies(row, chip)
                line["platforms"][name] = {
                    phase: {
                        stage: {"energy_j": joules, "saving": base[name][AGAINST[stage], phase] / joules}
                        for (stage, of), joules in found.items() if of == phase
                    }
                    for phase in ("training", "inference")
                }  # fmt: skip
            table.append(line)
    return table


def markdown(table, name="digital-45nm"):
    """The table of one platform."""
    head = [
        "data", "N", "rule", "accuracy", "with exit", "steps", "memory, matrices", "stored", "no matrix",
        *(f"train {stage}" for stage in "ABC"), *(f"infer {stage}" for stage in "ABCDE"), "train CPU", "infer CPU",
    ]  # fmt: skip
    lines = [f"| {' | '.join(head)} |", f"|---|---:|---|{'---:|' * (len(head) - 3)}"]
    for line in table:
        costs = line["platforms"][name]
        ratios = [costs["training"][stage]["saving"] for stage in "ABC"]
        ratios += [costs["inference"][stage]["saving"] for stage in "ABCDE"]
        cells = [
            line["data"], str(line["n_neurons"]), f"`{line['rule']}`", f"{100 * line['accuracy']:.2f}",
            f"{100 * line['accuracy_exit']:.2f}", f"{line['mean_steps']:.0f}",
            *(f"{line['memory_saving'][key]:.2f}x" for key in ("paper", "stored", "bare")),
            *(f"{r:.2f}x" for r in ratios),
            *(f"{line['cpu_saving'][key]:.1f}x" for key in ("train", "answer")),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main():
    """Compute what is missing, largest first, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two sizes, 10,000 images: a look, below five minutes")
    parser.add_argument("--sizes", type=int, nargs="+")
    parser.add_argument("--data", nargs="+", choices=DATA, default=DATA)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--json", type=Path, help="file for the table alone, without what networks were priced by")
    parser.add_argument("--markdown", action="store_true", help="print the bare tables")
    options = parser.parse_args()
    out = options.out or Path("runs") / f"fspinn_table{'_quick' * options.quick}.json"
    n_train, n_labelled, n_kept = (10_000, 5_000, 2_000) if options.quick else (50_000, 20_000, 5_000)
    sizes = options.sizes or ((400, 900) if options.quick else SIZES)
    done = json.loads(out.read_text()) if out.exists() else {"rows": [], "test_evaluations": []}
    amounts = {"n_train": n_train, "n_labelled": n_labelled, "n_kept": n_kept}
    if done.setdefault("amounts", amounts) != amounts:
        parser.error(f"{out} holds networks of {done['amounts']}; name another file with --out for {amounts}.")
    have = {(row["data"], row["n_neurons"], row["rule"]) for row in done["rows"]}
    wanted = [
        (d, n, r) for n in sorted(sizes, reverse=True) for r in RULES for d in options.data if (d, n, r) not in have
    ]
    out.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with ProcessPoolExecutor(options.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        jobs = {pool.submit(network_row, *key, n_train, n_labelled, n_kept): key for key in wanted}
        for count, job in enumerate(as_completed(jobs), 1):
            row = job.result()
            look = row.pop("test_evaluation")
            done["rows"].append(row)
            done["test_evaluations"].append({"network": list(jobs[job]), **look})
            write_json(out, done)
            if not options.markdown:
                words = f"{row['accuracy']:.2%}, {row['accuracy_exit']:.2%} at {row['mean_steps']:.0f} steps"
                print(f"{count}/{len(jobs)} {jobs[job]}: {words} ({time.monotonic() - began:.0f} s)", flush=True)
    order = {
        key: place for place, key in enumerate((d, n, r) for d in DATA for n in sorted({*SIZES, *sizes}) for r in RULES)
    }
    rows = sorted(done["rows"], key=lambda row: order.get((row["data"], row["n_neurons"], row["rule"]), -1))
    table = summary(rows)
    if options.json:
        looks = done["test_evaluations"]
        write_json(options.json, {"amounts": amounts, "paper": PAPER, "test_evaluations": looks, "table": table})
    for name in platforms():
        print(f"\n{name}: savings against `{BASELINE}` of the same size\n\n{markdown(table, name)}")
    print(f"\nThe paper claims (N=4900): {', '.join(f'{key} {value}x' for key, value in PAPER.items())}.")


if __name__ == "__main__":
    main()
