"""How long a price takes: a full report, and many variants of a platform.

    python benchmarks/price_speed.py [--variants 10000]

CPU time of one thread. The report is VGG-16 at four steps with early exit: the estimate, all figures, bands and
breakdowns, with the counts of the network worked out anew each time. The variants price VGG-9 on chips that differ in
one constant; they share the counts, which depend on network and crossbars alone.
"""

import argparse
import json
import time
from statistics import median

from spikewise.price import constants_of, load_platform, replaced
from spikewise.price.imc import forget_demands
from spikewise.workload import LayerShape, uniform_workload

VGG16 = [
    (3, 64, 32), (64, 64, 32), (64, 128, 16), (128, 128, 16), (128, 256, 8), (256, 256, 8), (256, 256, 8),
    (256, 512, 4), (512, 512, 4), (512, 512, 4), (512, 512, 2), (512, 512, 2), (512, 512, 2),
]  # fmt: skip
VGG9 = [(3, 64, 32), (64, 64, 32), (64, 128, 16), (128, 128, 16), (128, 256, 8), (256, 256, 8), (256, 256, 8)]
EXITS = (75, 12, 5, 8)


def network(name, shapes):
    """Convolutions of a network on CIFAR-10, as a workload of four steps."""
    layers = [
        LayerShape(f"conv{n}", "conv", n_in, n_out, kernel=(3, 3), out_height=side, out_width=side, weight_bits=4)
        for n, (n_in, n_out, side) in enumerate(shapes, start=1)
    ]
    return uniform_workload(name, layers, len(EXITS), [0.15] * len(layers), EXITS)


def report_ms(chip, load, n_times=50):
    """Median CPU milliseconds of one full report."""
    times = []
    for _ in range(n_times):
        forget_demands()
        began = time.process_time()
        chip.estimate(load).summary()
        times.append((time.process_time() - began) * 1e3)
    return median(times)


def variants_s(chip, load, n_variants):
    """CPU seconds for as many chips, each with another value of one constant."""
    _, constant = next((key, each) for key, each in constants_of(chip) if each.low < each.high)
    began = time.process_time()
    for number in range(n_variants):
        value = constant.low + (constant.high - constant.low) * number / n_variants
        fields = {name: getattr(constant, name) for name in type(constant).model_fields}
        other = type(constant).model_construct(**{**fields, "value": value})
        assert replaced(chip, constant, other).estimate(load).energy_j > 0
    return time.process_time() - began


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", type=int, default=10_000)
    options = parser.parse_args()
    vgg16, vgg9, found = network("vgg16", VGG16), network("vgg9", VGG9), {}
    for name in ("rram-64-32nm", "rram-64-32nm-physical"):
        chip = load_platform(name)
        found[name] = {
            "report_ms": report_ms(chip, vgg16),
            "variants_s": variants_s(chip, vgg9, options.variants),
            "n_variants": options.variants,
        }
        print(f"{name}: {json.dumps(found[name])}", flush=True)


if __name__ == "__main__":
    main()
