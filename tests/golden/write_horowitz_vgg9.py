"""Writes horowitz_vgg9.json: arithmetic energy of the convolutions of VGG-9 on 45 nm, by multiplication alone.

Independent of the package: operations are counted from the shapes, and exact fractions keep every digit. Constants are
those of Horowitz (ISSCC 2014, 45 nm, 0.9 V). An accumulation of 0.03 pJ is an 8-bit addition and a multiply-addition of
0.23 pJ an 8-bit product with such an addition: both are kept as legacy vectors, since much of the literature uses them.
Run from the project root: python tests/golden/write_horowitz_vgg9.py
"""

import json
from fractions import Fraction
from pathlib import Path

SHAPES = [(3, 64, 32), (64, 64, 32), (64, 128, 16), (128, 128, 16), (128, 256, 8), (256, 256, 8), (256, 256, 8)]
N_STEPS, RATE = 4, Fraction(15, 100)
SOURCE = "Horowitz, ISSCC 2014 (45 nm), over operations counted by write_horowitz_vgg9.py"
ADD = {"fp32": Fraction("0.9"), "int8": Fraction("0.03")}
MAC = {"fp32": Fraction("4.6"), "int8": Fraction("0.23")}


def vectors() -> dict[str, Fraction]:
    """Every vector in picojoules."""
    macs = [side * side * 9 * n_in * n_out for n_in, n_out, side in SHAPES]
    found = {}
    for name in ("fp32", "int8"):
        found[f"ann_{name}"] = sum(macs) * MAC[name]
        found[f"snn_{name}_layers_2_to_7"] = sum(macs[1:]) * RATE * N_STEPS * ADD[name]
    found["layer_1_once"] = macs[0] * MAC["fp32"]
    found["layer_1_each_step"] = macs[0] * N_STEPS * MAC["fp32"]
    return found


if __name__ == "__main__":
    entries = {key: {"value": float(value / 10**6), "unit": "uJ", "source": SOURCE} for key, value in vectors().items()}
    golden = {
        "network": SHAPES,
        "n_steps": N_STEPS,
        "rate": float(RATE),
        "script": Path(__file__).name,
        "entries": entries,
    }
    Path(__file__).with_name("horowitz_vgg9.json").write_text(json.dumps(golden, indent=1) + "\n")
