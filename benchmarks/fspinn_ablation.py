"""What each technique of FSpiNN brings: accuracy and operations, added one at a time and left out one at a time.

Every network learns from the same training images of MNIST, is labelled with a part of them and answers validation
images; test images are not looked at. Operations are exact counts of the engine, mean per sample.

    python benchmarks/fspinn_ablation.py [--neurons 400] [--samples 60000] [--seeds 2] [--json FILE] [--markdown]
"""

import argparse
import json
import time
from dataclasses import asdict

import numpy as np

from spikewise.data import load_splits
from spikewise.learn import STDPEncoder, TraceRule, diehl_cook_defaults, fspinn_defaults, lean_defaults
from spikewise.spikes import class_counts, evidence_of
from spikewise.workload import Operations

# In the order of the paper: fewer operations, then better learning. The last technique is fixed point.
TECHNIQUES = {
    "direct inhibition": "direct_inhibition",
    "updates per window": "timestep_updates",
    "simple rule": "simple_rule",
    "adaptive potentiation": "adaptive_potentiation",
    "effective inhibition": "effective_inhibition",
}
FLOAT_BITS, STATE_BITS = 32, 16  # of a variable, in the float and in the integer engine


def rows(n_neurons):
    """Name, rule and bits of every network of the table."""
    switches = dict.fromkeys(TECHNIQUES.values(), False)
    yield "diehl_cook", diehl_cook_defaults(n_neurons), None
    for name, switch in TECHNIQUES.items():
        switches[switch] = True
        yield f"+ {name}", fspinn_defaults(n_neurons, **switches), None
    yield "+ 8 bits = fspinn", fspinn_defaults(n_neurons), 8
    for name, switch in TECHNIQUES.items():
        yield f"fspinn without {name}", fspinn_defaults(n_neurons, **{switch: False}), 8
    yield "lean", lean_defaults(n_neurons), 8


def memory_bits(rule, n_bits, n_inputs, n_neurons):
    """Bits that learning keeps: weights, stored inhibition, and variables of neurons and inputs."""
    weight, n = n_bits or FLOAT_BITS, n_neurons
    bits = weight * n_inputs * n
    if not isinstance(rule, TraceRule):
        # Potential, threshold, refractory period and gain of a neuron; its adaptive threshold; counts of the inputs.
        return bits + n * (4 * STATE_BITS + FLOAT_BITS) + n_inputs * STATE_BITS
    # Potential, threshold with its adaptive part and refractory period of a neuron; traces of the inputs.
    n_variables = 4 * n + n_inputs
    if rule.inhibition == "neurons":
        bits += weight * (n + n * (n - 1))  # one to one, and to all others
        n_variables += 2 * n
    if rule.nu_pre > 0:
        n_variables += n
    if rule.spikes_per_strength is not None:
        n_variables += n + 1
    return bits + n_variables * FLOAT_BITS + (n if rule.updates == "window" else 0)


def run(rule, n_bits, splits, options, seed):
    """Learn, label and answer once; returns figures and operations."""
    train, validation = splits["train"], splits["validation"]
    images, labels = train.images[: options.samples], train.labels[: options.samples]
    network = STDPEncoder(options.neurons, rule=rule, n_epochs=1, n_bits=n_bits, random_state=seed)
    start = time.process_time()
    network.fit(images)
    seconds = time.process_time() - start
    known = slice(-options.labelled, None)
    counts = class_counts(network.transform(images[known]), labels[known], train.n_classes)
    n_per_class = np.bincount(labels[known], minlength=train.n_classes)
    found = network.respond(validation.images)
    answers = np.zeros((validation.n_samples, options.neurons))
    np.add.at(answers, (found.samples, found.neurons), 1)
    figures = {"seconds": seconds, "spikes": network.engine_.events.per_sample("out_spikes")}
    for decoder in ("votes", "naive_bayes"):
        scores = answers @ evidence_of(decoder, counts, n_per_class).T
        figures[decoder] = float((scores.argmax(1) == validation.labels).mean())
    engine = network.engine_
    training = sum(engine.operations(engine.events, True).values(), Operations())
    inference = sum(engine.operations(found.events, False).values(), Operations())
    return figures, training, inference


def mean_of(items):
    """Mean of equal dicts of numbers."""
    return {key: float(np.mean([item[key] for item in items])) for key in items[0]}


def measure(options):
    """One dict per network of the table."""
    splits = load_splits("mnist")
    n_inputs = int(np.prod(splits["train"].shape))
    for name, rule, n_bits in rows(options.neurons):
        runs = [run(rule, n_bits, splits, options, seed) for seed in range(options.seeds)]
        figures, training, inference = (list(part) for part in zip(*runs, strict=True))
        yield {
            "name": name,
            "n_bits": n_bits,
            **mean_of(figures),
            "memory_bits": memory_bits(rule, n_bits, n_inputs, options.neurons),
            "training": mean_of([asdict(operations) for operations in training]),
            "inference": mean_of([asdict(operations) for operations in inference]),
        }


COLUMNS = {
    "weights": lambda o: o["weight_reads"] + o["weight_writes"],
    "state": lambda o: o["state_reads"] + o["state_writes"],
    "add": lambda o: o["additions"],
    "multiply": lambda o: o["multiplications"],
    "exp": lambda o: o["exponentials"],
}


def header():
    """Heading of the table; operations in thousands per sample."""
    columns = ["", "votes %", "naive Bayes %"]
    columns += [f"{phase}: {name}" for phase in ("learn", "answer") for name in COLUMNS] + ["memory, Mbit"]
    return f"| {' | '.join(columns)} |\n|---|{'---:|' * (len(columns) - 1)}"


def line(row):
    """One row of the table."""
    cells = [row["name"], f"{100 * row['votes']:.1f}", f"{100 * row['naive_bayes']:.1f}"]
    for phase in ("training", "inference"):
        cells += [f"{count(row[phase]) / 1e3:,.0f}" for count in COLUMNS.values()]
    cells.append(f"{row['memory_bits'] / 1e6:.2f}")
    return f"| {' | '.join(cells)} |"


def main():
    """Run all networks and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neurons", type=int, default=400)
    parser.add_argument("--samples", type=int, default=60_000, help="at most those that validation leaves, 54,001")
    parser.add_argument("--labelled", type=int, default=10_000, help="how many of them label the neurons")
    parser.add_argument("--seeds", type=int, default=2, help="networks per row; figures are their means")
    parser.add_argument("--json", help="also write the figures to this file")
    parser.add_argument("--markdown", action="store_true", help="print the bare table only")
    options = parser.parse_args()
    if not options.markdown:
        print(__doc__.split("\n\n")[1])
        print(f"\n{options.neurons} neurons, {options.seeds} seed(s), operations in thousands per sample\n")
    print(header())
    found = []
    for row in measure(options):
        found.append(row)
        print(line(row), flush=True)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(found, file, indent=1)


if __name__ == "__main__":
    main()
