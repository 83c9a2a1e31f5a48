"""The conventional rival of a spiking VGG: the same convolutions, once, on a few bits, with an exit after each block.

Activations have as many bits as T timesteps of spikes tell apart (3 for T = 4), learned in training by rounding with a
straight-through gradient. After each block the largest activations of a 4x4 grid feed a linear exit; the last one is
the read-out of the spiking network. It trains, stops by entropy and is calibrated with the code that its rival uses, on
the same images: an exit is a step here, and its output is what it adds to the scores of the exit before.

    python benchmarks/early_exit_ann.py RUN [--epochs N] [--out FOLDER] [--limit N]

RUN is a run folder of `spikewise train` with a VGG, which says data, width and bits. The folder --out (RUN-ann
if absent) keeps checkpoints, so that interrupted training goes on, and ann.json, which benchmarks/dtsnn_table.py takes.
"""

import argparse
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from spikewise._files import write_json
from spikewise.data.augment import Augmentation
from spikewise.dynamic import calibrate
from spikewise.dynamic.path import ExitPath
from spikewise.layer import LayerShape
from spikewise.learn.fit import fit
from spikewise.learn.settings import FitSettings
from spikewise.network import OwnSpec, SpikingClassifier
from spikewise.network.protocol import run_steps
from spikewise.network.vgg import VGG, scaled
from spikewise.price.baseline import ann_workload, matched_bits
from spikewise.runs import MODEL_FILE, WORKLOAD_FILE, Run
from spikewise.workflow.choose import halves
from spikewise.workflow.exit import splits_of
from spikewise.workload import LayerActivity, Workload

GRID, MAX_DROPS = 4, (0.0, 0.002, 0.005, 0.01)


class Quantised(nn.Module):
    """Rectified activations of so many bits, up to a height that is learned."""

    def __init__(self, n_bits):
        super().__init__()
        self.n_levels, self.height = 2**n_bits - 1, nn.Parameter(torch.tensor(2.0))
        self.rate = 0.0  # share of activations that are not zero, in evaluation

    def forward(self, x):
        """Multiples of height / n_levels."""
        x = (x / self.height).clamp(0, 1)
        x = x + ((x * self.n_levels).round() / self.n_levels - x).detach()
        if not self.training:
            self.rate = float((x > 0).float().mean())
        return x * self.height


class EarlyExitANN(nn.Module):
    """Blocks of a VGG, each with an exit; offers what a spiking network offers, an exit for a step."""

    def __init__(self, name, in_shape, n_classes, width, n_bits):
        super().__init__()
        self.spec = OwnSpec(f"{name}-ann", in_shape, n_classes)
        self.register_buffer("mean", torch.zeros(in_shape[0]))
        self.register_buffer("std", torch.ones(in_shape[0]))
        self.blocks, self.exits, n_in, row = nn.ModuleList(), nn.ModuleList(), in_shape[0], []
        table = VGG[name]
        for entry, following in zip(table, [*table[1:], None], strict=True):
            if isinstance(entry, int):
                n_out = scaled(entry, width)
                pool = nn.MaxPool2d(2) if following == "P" else nn.Identity()
                row += [
                    nn.Conv2d(n_in, n_out, 3, padding=1, bias=False),
                    pool,
                    nn.BatchNorm2d(n_out),
                    Quantised(n_bits),
                ]
                n_in = n_out
            elif entry != "P":
                raise SystemExit(f"the rival is one of convolutions; {name} has {entry}. Take vgg7.")
            if following == "P" or following is None:
                if row:
                    self.blocks.append(nn.Sequential(*row))
                    self.exits.append(nn.Linear(n_in * GRID * GRID, n_classes))
                row = []

    def normalize_by(self, images):
        """Mean and standard deviation of each channel of the training images."""
        sample = images[::10].float() / 255
        self.mean.copy_(sample.mean((0, 2, 3)))
        self.std.copy_(sample.std((0, 2, 3)))

    def start(self, images):
        """The normalised image, and scores of no exit yet."""
        x = images if images.is_floating_point() else images.float() / 255
        x = (x - self.mean[:, None, None]) / self.std[:, None, None]
        return x.contiguous(memory_format=torch.channels_last), torch.zeros(len(x), self.spec.n_classes), 0

    def step(self, state):
        """What the next exit adds to the scores."""
        x, before, place = state
        x = self.blocks[place](x)
        scores = self.exits[place](functional.adaptive_max_pool2d(x, GRID).flatten(1))
        return scores - before, (x, scores, place + 1)

    def forward(self, images, n_steps):
        """What each exit adds (T, B, K)."""
        return run_steps(self, images, n_steps)


def stages_of(network, load, n_bits):
    """Workloads of what has run when a sample leaves by the first, second, ... exit."""
    rates = [each.rate for each in network.modules() if isinstance(each, Quantised)]
    ann = ann_workload(load, n_bits, sum(rates) / len(rates))
    sizes = [sum(isinstance(each, nn.Conv2d) for each in block) for block in network.blocks]
    exits, stages, n_layers = [], [], 0
    for place, (size, out) in enumerate(zip(sizes, network.exits, strict=True)):
        n_layers += size
        shape = LayerShape(
            f"exit{place + 1}", "linear", out.in_features, out.out_features, input_bits=n_bits,
            weight_bits=ann.layers[0].weight_bits, state_bits=load.layers[-1].state_bits, has_neurons=False,
        )  # fmt: skip
        busy = out.in_features * rates[n_layers - 1]
        exits.append((shape, LayerActivity((busy,), (busy,), (float(out.out_features),))))
        shapes, activity = zip(*zip(ann.layers[:n_layers], ann.activity[:n_layers], strict=True), *exits, strict=True)
        stages.append(Workload(f"{ann.name}-{place + 1}", shapes, activity, (), (ann.n_samples,), ann.n_samples))
    return stages


def main():
    """Train, calibrate, answer the test images once, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--lr", type=float, default=0.004)
    parser.add_argument("--limit", type=int, help="training images to use, for a quick look")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    out = options.out or options.run.with_name(f"{options.run.name}-ann")
    out.mkdir(parents=True, exist_ok=True)
    run, splits = Run.open(options.run), splits_of(Run.open(options.run))
    rival = SpikingClassifier.load(run.path / MODEL_FILE)
    spec, n_bits = rival.model.spec, matched_bits(rival.n_steps)
    torch.manual_seed(0)
    network = EarlyExitANN(spec.name, spec.in_shape, spec.n_classes, spec.width, n_bits)
    train, validation, test = (splits[name] for name in ("train", "validation", "test"))
    chosen_on, _ = halves(validation)
    settings = FitSettings(
        epochs=options.epochs, batch_size=128, n_steps=len(network.exits), lr=options.lr, accumulate="sum", threads=1,
        augment=Augmentation(**run.record["settings"]["fit"]["augment"]),
    )  # fmt: skip
    learned_from = train.images[: options.limit], train.labels[: options.limit]
    fit(
        network, learned_from, (chosen_on.images, chosen_on.labels), settings,
        checkpoint=out / "checkpoint.safetensors", resume=True, logs=out,
        progress=lambda moment: print(f"\r{moment.epochs_done:.2f} of {options.epochs} epochs", end="", flush=True),
    )  # fmt: skip
    classifier = SpikingClassifier(network, len(network.exits))
    trace = classifier.trace(validation.images, validation.labels)
    answers = classifier.trace(test.images, test.labels)
    cuts = [
        {"name": f"ANN exit {place + 1} alone", "accuracy": float(accuracy), "histogram": histogram}
        for place, accuracy in enumerate(answers.accuracy_by_step())
        for histogram in [[int(each == place) for each in range(len(network.exits))]]
    ]
    exits = []
    for max_drop in MAX_DROPS:
        rule = calibrate(trace, ExitPath.of("entropy", "sum"), max_drop=max_drop).rule
        found = classifier.predict_with_exit(test.images, rule)
        accuracy = float((found.labels == test.labels).mean())
        exits.append({"name": f"ANN drop-{max_drop:g}", "accuracy": accuracy, "histogram": found.histogram.tolist()})
    load = Workload.read(run.path / WORKLOAD_FILE)
    stages = [stage.to_dict() for stage in stages_of(network, load, n_bits)]
    write_json(out / "ann.json", {"n_bits": n_bits, "stages": stages, "exits": cuts + exits})
    for row in cuts + exits:
        print(row)


if __name__ == "__main__":
    main()
