"""Writes vgg9_mapping.json by placing every weight of a network, one at a time.

Slow and obvious, and independent of the package: a weight of kernel tap k, input channel i and output
channel o lives in the crossbar (layer, k, i // 64, o // 64); its PE is the same without the tap.
Run from the project root: python tests/golden/write_vgg9_mapping.py
"""

import json
from pathlib import Path

SIZE, TAPS = 64, 9
SHAPES = [(3, 64, 32), (64, 64, 32), (64, 128, 16), (128, 128, 16), (128, 256, 8), (256, 256, 8), (256, 256, 8)]
SOURCE = "counted weight by weight by write_vgg9_mapping.py under the mapping rule of SpikeSim, arXiv 2210.12899"


def count() -> dict[str, tuple[object, str]]:
    """Every vector, with its unit."""
    pes_per_layer, n_crossbars, n_weights, cycles, macs, neurons, unfolded, sums, serial, conversions = [], *[0] * 9
    for n_in, n_out, side in SHAPES:
        pes, crossbars = set(), set()
        for i in range(n_in):
            for o in range(n_out):
                pes.add((i // SIZE, o // SIZE))
                crossbars.update((tap, i // SIZE, o // SIZE) for tap in range(TAPS))
                n_weights += TAPS
        positions = side * side
        n_rows = len({row for row, _ in pes})
        pes_per_layer.append(len(pes))
        n_crossbars += len(crossbars)
        cycles += positions * len(pes)
        macs += positions * TAPS * n_in * n_out
        neurons += positions * n_out
        unfolded += positions * TAPS * n_in
        sums += positions * n_out * (n_rows - 1)
        serial += positions
        conversions += positions * n_out * n_rows
    return {
        "n_pes": (pes_per_layer, "PEs per layer"),
        "n_pe_cycles": (cycles, "PE cycles per step"),
        "n_crossbars": (n_crossbars, "crossbars"),
        "n_weights": (n_weights, "weights"),
        "n_macs": (macs, "multiply-additions per step"),
        "n_neurons": (neurons, "neurons"),
        "n_unfolded": (unfolded, "unfolded input bits per step"),
        "n_partial_sums": (sums, "additions per step"),
        "n_serial_cycles": (serial, "PE cycles in series per step"),
        "n_conversions": (conversions, "conversions per step, taps summed before the converter"),
        "utilisation": (n_weights / (n_crossbars * SIZE * SIZE), "used share of the cells"),
    }


if __name__ == "__main__":
    entries = {key: {"value": value, "unit": unit, "source": SOURCE} for key, (value, unit) in count().items()}
    golden = {"network": SHAPES, "script": Path(__file__).name, "entries": entries}
    Path(__file__).with_name("vgg9_mapping.json").write_text(json.dumps(golden, indent=1) + "\n")
