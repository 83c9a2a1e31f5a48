"""What imperfect chips do to one trained network: static run against early exit, over many chips of each design.

    python benchmarks/nonideal_table.py [--out runs/nonideal] [--seeds 10] [--only NAME ...] [--markdown | --speed]

A small spiking VGG learns Fashion-MNIST (cached in --out, as is every finished row, so that a killed run goes on).
The exit bound of the clean model is chosen on validation images with the weights on a perfect chip; each chip's own
bound on the same images, run on that chip. Each chip of each row looks at the test images once, and the look is logged.
Rows "physical" and "calibrated" are the chips that are priced under these names, "offset" is the physical one with
reference columns; all others are the physical chip with exact converters and one fault. The result is
--out/nonideal_table.json.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import torch

from spikewise.data import load_splits
from spikewise.dynamic import calibrate, rule_from_dict, rule_to_dict
from spikewise.learn import FitSettings, fit
from spikewise.network import Dspike, LIFParams, SpikingClassifier, build_model
from spikewise.nonideal import Nonideal, chip_traces, design_crossbars, on_crossbars, study_chips
from spikewise.price import load_platform
from spikewise.runs import write_json

WIDTH, N_TRAIN, EPOCHS, N_STEPS, MAX_DROP = 0.5, 20_000, 6, 4, 0.005
N_IMAGES, N_FEWER = 2_000, 1_000  # of validation, and of test; fewer for all but the physical chip
SPREADS = (0.0, 0.05, 0.1, 0.2)


def with_sign(platform, sign):
    """A priced chip whose weights have their sign stored in another way."""
    chip = load_platform(platform)
    return chip.model_copy(update={"mapping": chip.mapping.model_copy(update={"sign": sign})})


# On/off 10 is 20k/200k ohm, as the physical chip's price assumes: DT-SNN's class of chips (second-hand). The larger
# shares of stuck cells are second-hand too, and which end they mean is not known: both are shown. Wires are examples.
PHYSICAL = "rram-64-32nm-physical"
PRICED = {
    "physical": Nonideal.of(PHYSICAL, on_off=10),
    "calibrated": Nonideal.of("rram-64-32nm", on_off=10),
    "offset": Nonideal.of(with_sign(PHYSICAL, "offset"), on_off=10),
}
EXACT = Nonideal.of(PHYSICAL, adc_bits=None)
ROWS = {
    **{
        f"{name}, spread {share:.0%}": replace(chip, variation=share)
        for name, chip in PRICED.items()
        for share in SPREADS
    },
    "no fault": EXACT,
    "spread 10%": replace(EXACT, variation=0.1),
    "on/off 10": replace(EXACT, on_off=10),
    "on/off 10, spread 10%": replace(EXACT, on_off=10, variation=0.1),
    **{f"converters of {bits} bits": replace(EXACT, adc_bits=bits) for bits in (4, 5, 6, 8)},
    "read noise 10%": replace(EXACT, read_noise=0.1),
    "stuck 0.1% on, 0.1% off": replace(EXACT, stuck_on=0.001, stuck_off=0.001),
    "stuck 1.75% on, 9.04% off": replace(EXACT, stuck_on=0.0175, stuck_off=0.0904),
    "stuck 9.04% on, 1.75% off": replace(EXACT, stuck_on=0.0904, stuck_off=0.0175),
    **{f"wires of {ohm} ohm": replace(EXACT, on_off=10, wire_ohm=ohm) for ohm in (1, 5)},
    "all together": replace(
        EXACT, variation=0.1, read_noise=0.05, on_off=10, adc_bits=6, stuck_on=0.001, stuck_off=0.001, wire_ohm=1
    ),
}


def trained(folder, splits):
    """The network, from its file if it is there."""
    path = folder / "network.safetensors"
    if path.exists():
        return SpikingClassifier.load(path).model
    train, validation = splits["train"].subset(slice(N_TRAIN)), splits["validation"]
    neurons = LIFParams(surrogate=Dspike())
    network = build_model("vgg5", train.shape, train.n_classes, width=WIDTH, neurons=neurons, pooling="average", seed=0)
    result = fit(
        network,
        (train.images, train.labels),
        (validation.images, validation.labels),
        FitSettings(epochs=EPOCHS, n_steps=N_STEPS, seed=0, threads=1),
        checkpoint=folder / "checkpoint.safetensors",
        resume=True,
        progress=lambda moment: (
            moment.record
            and print(
                f"epoch {moment.record.epoch}: validation {moment.record.validation_accuracy:.2%}, "
                f"{moment.record.seconds:.0f} s",
                flush=True,
            )
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
    chip = on_crossbars(network, EXACT, seed=0, calibration_images=calibration)
    floats = SpikingClassifier(network, N_STEPS).trace(*validation).accuracy_by_step()[-1]
    found = calibrate(SpikingClassifier(chip, N_STEPS).trace(*validation), max_drop=MAX_DROP)
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
    """Compute what is missing and print, or time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/nonideal"), help="folder of the network and the result")
    parser.add_argument("--seeds", type=int, default=10, help="chips per row")
    parser.add_argument("--only", nargs="+", choices=ROWS, help="names of rows")
    parser.add_argument("--markdown", action="store_true", help="print the table of what is there, and compute nothing")
    parser.add_argument("--speed", action="store_true", help="time chips alone and together, and compute no row")
    options = parser.parse_args()
    torch.set_num_threads(1)
    file = options.out / "nonideal_table.json"
    done = json.loads(file.read_text()) if file.exists() else {}
    if options.speed:
        splits = load_splits("fashion-mnist")
        return speed(trained(options.out, splits), splits["validation"].images[:256])
    if not options.markdown:
        compute(options, file, done)
    print(HEADER)
    for name in ROWS:
        if name in done["rows"]:
            print(line(name, done["rows"][name]))
    return None


def speed(network, images):
    """Print chips per second, alone and together, on this network and on one of few and small layers."""
    small = build_model("vgg5", (1, 8, 8), 10, width=0.25)
    for name, model, seen in (("vgg5, 28 x 28", network, images), ("vgg5 / 4, 8 x 8", small, images[..., ::3, ::3])):
        seen = seen[..., : model.spec.in_shape[1], : model.spec.in_shape[2]]
        for design in (replace(EXACT, variation=0.1), replace(PRICED["physical"], variation=0.1)):
            made, best = design_crossbars(model, design, seen[:64]), {}
            for _ in range(3):
                for n_chips in (1, 2, 4, 8):
                    began = time.process_time()
                    for first in range(0, 8, n_chips):
                        chips = made.chips(range(first, first + n_chips))
                        chip_traces(chips, n_chips, seen, [0] * len(seen), N_STEPS)
                    best[n_chips] = max(best.get(n_chips, 0), 8 / (time.process_time() - began))
            found = ", ".join(f"{n} together {value:.1f}" for n, value in best.items())
            print(f"{name}, {design.adc_bits} bits, {len(seen)} images: {found} chips per CPU second", flush=True)


def compute(options, file, done):
    """Train once, choose the bound once, and fill in missing rows."""
    options.out.mkdir(parents=True, exist_ok=True)
    splits = load_splits("fashion-mnist")
    network = trained(options.out, splits)
    validation = pair(splits["validation"].subset(slice(N_IMAGES)))
    calibration = splits["train"].images[:64]
    if not done:
        done |= {"clean": clean_rule(network, validation, calibration), "rows": {}, "test_evaluations": []}
    done["network"] = {
        "data": "fashion-mnist", "model": "vgg5", "width": WIDTH, "n_train": N_TRAIN, "epochs": EPOCHS,
        "n_steps": N_STEPS, "n_validation": N_IMAGES, "n_test": N_IMAGES, "n_images_elsewhere": N_FEWER,
        "max_drop": MAX_DROP,
    }  # fmt: skip
    rule = rule_from_dict(done["clean"]["rule"])
    for name in options.only or ROWS:
        nonideal = ROWS[name]
        seeds = range(options.seeds if nonideal != nonideal.nominal else 1)  # without luck all chips are alike
        if len(done["rows"].get(name, {}).get("accuracy_static", [])) >= len(seeds):
            continue
        began = time.process_time()
        n_images = N_IMAGES if name.startswith("physical") else N_FEWER
        own, test = (pair(splits[part].subset(slice(n_images))) for part in ("validation", "test"))
        done["test_evaluations"] += [{"row": name, "seed": seed, "n_test": n_images} for seed in seeds]
        write_json(file, done)  # a look counts even if the run is killed before its end
        found = study_chips(
            network, nonideal, own, test, rule,
            seeds=seeds, max_drop=MAX_DROP, n_steps=N_STEPS, calibration_images=calibration,
        )  # fmt: skip
        done["rows"][name] = {**found.to_dict(), "cpu_s": time.process_time() - began}
        write_json(file, done)
        print(f"{name}: {done['rows'][name]['cpu_s']:.0f} s", flush=True)


if __name__ == "__main__":
    main()
