"""Short runs that compare layouts of a spiking VGG: how maps are halved, how deep, which surrogate; CIFAR-10.

What decision 0013 rests on: 15,000 training images, six epochs, two timesteps, width 0.25, AdamW, one seed. Accuracy is
that of 5,000 validation images, one standard error of which is 0.7 points; test images are not looked at.

    python benchmarks/layout_pilots.py [--only NAME ...] [--seed N] [--json FILE]

A row is kept in the file as soon as it is there; begun again, the benchmark goes on after the last.
"""

import argparse
import json
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

import torch
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.nn import functional

from spikewise.data import Augmentation, load_splits
from spikewise.learn import FitSettings, fit
from spikewise.network import VGG, Dspike, LIFParams, Triangle, build_model
from spikewise.runs import write_json

SIX = (64, "P", 128, 128, "P", 256, 256, "P", 256)
EIGHT = (64, "P", 128, 128, "P", 256, 256, 256, "P", 256, 256)
ROWS = {
    "mean of sums": {"pooling": "average"},
    "largest sum": {},
    "mean of spikes": {"after": True},
    "largest sum, every pixel read": {"flat": True},
    "largest sum, triangle": {"surrogate": Triangle()},
    "largest sum, threshold 0.5": {"v_threshold": 0.5},
    "both, six convolutions": {"surrogate": Triangle(), "v_threshold": 0.5, "table": SIX},
    "both, eight convolutions": {"surrogate": Triangle(), "v_threshold": 0.5, "table": EIGHT},
    "both, vgg7": {"surrogate": Triangle(), "v_threshold": 0.5, "table": VGG["vgg7"]},
    "both, vgg7, mean read": {"surrogate": Triangle(), "v_threshold": 0.5, "table": VGG["vgg7"], "flat": False},
}
N_IMAGES, EPOCHS, N_STEPS, WIDTH = 15_000, 6, 2, 0.25


class ReadsMeans(nn.Conv2d):
    """A convolution that reads the means of 2x2 squares of spikes."""

    def forward(self, x):
        """Sums of a map of half the size."""
        return super().forward(functional.avg_pool2d(x, 2))


def network_of(seed, *, pooling="max", surrogate=None, v_threshold=1.0, table=VGG["vgg9"], after=False, flat=None):
    """A network of a layout."""
    neurons = LIFParams(v_threshold=v_threshold, surrogate=surrogate or Dspike())
    with patch.dict(VGG, {"vgg9": table}):
        network = build_model("vgg9", (3, 32, 32), 10, width=WIDTH, neurons=neurons, pooling=pooling, seed=seed)
    layers = list(network.layers.values())
    if after:
        for layer, reader in pairwise(layers):
            if isinstance(layer.pool, nn.MaxPool2d):
                layer.pool, reader.synapses.__class__ = nn.Identity(), ReadsMeans
    n_maps, side = layers[-1].norm.num_features, 32 >> table.count("P")
    torch.manual_seed(seed)
    if flat:
        network.readout, network.average = nn.Linear(n_maps * side * side, 10), nn.Identity()
    elif flat is False:
        network.readout, network.average = nn.Conv2d(n_maps, 10, 1), nn.AdaptiveAvgPool2d(1)
    return network


def main():
    """Train what is still to be trained, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, default=Path("layout_pilots.json"))
    options = parser.parse_args()
    rows = json.loads(options.json.read_text("utf-8")) if options.json.exists() else []
    splits = load_splits("cifar10")
    train, validation = splits["train"].subset(slice(N_IMAGES)), splits["validation"]
    settings = FitSettings(
        epochs=EPOCHS, n_steps=N_STEPS, lr=4e-3, seed=options.seed, threads=1, augment=Augmentation.named("cifar10")
    )
    for name in options.only:
        if any((row["name"], row["seed"]) == (name, options.seed) for row in rows):
            continue
        network = network_of(options.seed, **ROWS[name])
        pairs = ((images.images, images.labels) for images in (train, validation))
        found = fit(network, *pairs, settings)
        rows.append({
            "name": name, "seed": options.seed, "n_parameters": sum(p.numel() for p in network.parameters()),
            "validation": list(found.best.accuracy_by_step), "loss": [row.loss for row in found.history],
            "seconds": found.seconds,
        })  # fmt: skip
        write_json(options.json, rows)
    table = Table(title="validation accuracy")
    for header in ("layout", "seed", "weights", "T=1", "T=2", "seconds"):
        table.add_column(header)
    for row in rows:
        accuracy = (f"{value:.2%}" for value in row["validation"])
        table.add_row(row["name"], str(row["seed"]), f"{row['n_parameters']:,}", *accuracy, f"{row['seconds']:.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
