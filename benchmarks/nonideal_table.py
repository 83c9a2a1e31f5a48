"""What imperfect chips do to one trained network: static run against early exit, over many chips.

    python benchmarks/nonideal_table.py [--out runs/nonideal] [--seeds 10] [--only NAME ...] [--markdown]

A small spiking VGG learns Fashion-MNIST (cached in --out, as is every finished row, so that a killed run goes on).
The exit bound of the clean model is chosen on validation images with the weights on a perfect chip; each chip's own
bound on the same images, run on that chip. Each chip of each row looks at the test images once, and the look is logged.
The result is --out/nonideal_table.json.
"""

import argparse
import json
import time
from pathlib import Path

import torch

from spikewise._files import write_json
from spikewise.data import load_splits
from spikewise.dynamic import calibrate_entropy
from spikewise.dynamic.rule import rule_from_dict, rule_to_dict
from spikewise.learn.fit import FitSettings, fit
from spikewise.network import SpikingClassifier, build_model
from spikewise.price.nonideal import Nonideal, on_crossbars, study

WIDTH, N_TRAIN, EPOCHS, N_STEPS, MAX_DROP = 0.5, 20_000, 6, 4, 0.005
N_VALIDATION, N_TEST = 2_000, 2_000
SPREADS = (0.05, 0.1, 0.2)

# Name, design, and whether chips differ. On/off 10 is 20k/200k ohm, of DT-SNN's class of chips (second-hand); the
# larger shares of stuck cells are second-hand too, and which end they mean is not known: both are shown. Wires are
# examples.
ROWS = {
    "spread 0": (Nonideal(), False),
    **{f"spread {share:.0%}": (Nonideal(variation=share), True) for share in SPREADS},
    "on/off 10": (Nonideal(on_off=10), False),
    **{f"on/off 10, spread {share:.0%}": (Nonideal(on_off=10, variation=share), True) for share in SPREADS},
    "offset mapping, spread 10%": (Nonideal(differential=False, variation=0.1), True),
    **{f"converters of {bits} bits": (Nonideal(adc_bits=bits), False) for bits in (4, 5, 6, 8)},
    **{f"read noise {share:.0%}": (Nonideal(read_noise=share), True) for share in SPREADS},
    "stuck 0.1% on, 0.1% off": (Nonideal(stuck_on=0.001, stuck_off=0.001), True),
    "stuck 1.75% on, 9.04% off": (Nonideal(stuck_on=0.0175, stuck_off=0.0904), True),
    "stuck 9.04% on, 1.75% off": (Nonideal(stuck_on=0.0904, stuck_off=0.0175), True),
    **{f"wires of {ohm} ohm": (Nonideal(on_off=10, wire_ohm=ohm), False) for ohm in (1, 5)},
    "all together": (
        Nonideal(variation=0.1, read_noise=0.05, on_off=10, adc_bits=6, stuck_on=0.001, stuck_off=0.001, wire_ohm=1),
        True,
    ),
}


def trained(folder, splits):
    """The network, from its file if it is there."""
    path = folder / "network.safetensors"
    if path.exists():
        return SpikingClassifier.load(path).model
    train, validation = splits["train"].subset(slice(N_TRAIN)), splits["validation"]
    network = build_model("vgg5", train.shape, train.n_classes, width=WIDTH, seed=0)
    result = fit(
        network,
        (train.images, train.labels),
        (validation.images, validation.labels),
        FitSettings(epochs=EPOCHS, n_steps=N_STEPS, seed=0, threads=1),
        checkpoint=folder / "checkpoint.safetensors",
        resume=True,
        progress=lambda epoch: print(
            f"epoch {epoch.epoch}: validation {epoch.validation_accuracy:.2%}, {epoch.seconds:.0f} s", flush=True
        ),
    )
    print(f"trained in {result.seconds:.0f} s", flush=True)
    SpikingClassifier(network, N_STEPS, train.classes).save(path)
    return network


def pair(images):
    """Images and labels of a split."""
    return images.images, images.labels


def clean_rule(network, validation, calibration):
    """Bound of the model whose integer weights lie on a perfect chip, and what it does on validation images."""
    chip = on_crossbars(network, Nonideal(), seed=0, calibration_images=calibration)
    floats = SpikingClassifier(network, N_STEPS).trace(*validation).accuracy_by_step()[-1]
    found = calibrate_entropy(SpikingClassifier(chip, N_STEPS).trace(*validation), MAX_DROP)
    return {
        "rule": rule_to_dict(found.rule),
        "accuracy_full": found.accuracy_full,
        "accuracy_exit": found.accuracy_exit,
        "mean_steps": found.mean_steps,
        "accuracy_full_float_weights": float(floats),
    }


HEADER = "| | chips | static T=4 | exit, clean bound | steps | exit, own bound | steps |\n|---|{}".format("---:|" * 6)


def line(name, row):
    """One row of the table: mean and standard deviation over the chips."""

    def cell(key, scale, digits):
        values = torch.tensor(row[key], dtype=torch.float64) * scale
        spread = f" ± {values.std():.{digits}f}" if len(values) > 1 else ""
        return f"{values.mean():.{digits}f}{spread}"

    cells = [name.replace("%", " %"), str(len(row["accuracy_static"])), cell("accuracy_static", 100, 2)]
    for bound in ("clean", "chip"):
        cells += [cell(f"accuracy_{bound}", 100, 2), cell(f"steps_{bound}", 1, 3)]
    return f"| {' | '.join(cells)} |"


def main():
    """Compute what is missing, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/nonideal"), help="folder of the network and the result")
    parser.add_argument("--seeds", type=int, default=10, help="chips per row")
    parser.add_argument("--only", nargs="+", choices=ROWS, help="names of rows")
    parser.add_argument("--markdown", action="store_true", help="print the table of what is there, and compute nothing")
    options = parser.parse_args()
    file = options.out / "nonideal_table.json"
    done = json.loads(file.read_text()) if file.exists() else {}
    if not options.markdown:
        torch.set_num_threads(1)
        compute(options, file, done)
    print(HEADER)
    for name in ROWS:
        if name in done["rows"]:
            print(line(name, done["rows"][name]))


def compute(options, file, done):
    """Train once, choose the bound once, and fill in missing rows."""
    options.out.mkdir(parents=True, exist_ok=True)
    splits = load_splits("fashion-mnist")
    network = trained(options.out, splits)
    validation = pair(splits["validation"].subset(slice(N_VALIDATION)))
    calibration = splits["train"].images[:64]
    if not done:
        done["network"] = {
            "data": "fashion-mnist", "model": "vgg5", "width": WIDTH, "n_train": N_TRAIN, "epochs": EPOCHS,
            "n_steps": N_STEPS, "n_validation": N_VALIDATION, "n_test": N_TEST, "max_drop": MAX_DROP,
        }  # fmt: skip
        done["clean"] = clean_rule(network, validation, calibration)
        done |= {"rows": {}, "test_evaluations": []}
    rule = rule_from_dict(done["clean"]["rule"])
    for name in options.only or ROWS:
        nonideal, chips_differ = ROWS[name]
        seeds = range(options.seeds if chips_differ else 1)
        if len(done["rows"].get(name, {}).get("accuracy_static", [])) >= len(seeds):
            continue
        began = time.process_time()
        test = pair(splits["test"].subset(slice(N_TEST)))
        done["test_evaluations"] += [{"row": name, "seed": seed, "n_test": N_TEST} for seed in seeds]
        write_json(file, done)  # a look counts even if the run is killed before its end
        found = study(
            network, nonideal, validation, test, rule,
            seeds=seeds, max_drop=MAX_DROP, n_steps=N_STEPS, calibration_images=calibration,
        )  # fmt: skip
        done["rows"][name] = {**found.to_dict(), "cpu_s": time.process_time() - began}
        write_json(file, done)
        print(f"{name}: {done['rows'][name]['cpu_s']:.0f} s", flush=True)


if __name__ == "__main__":
    main()
