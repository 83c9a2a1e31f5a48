"""The ANN baseline of a spiking VGG: the same layers, once, on a few bits, with an exit after each block.

Activations have as many bits as T timesteps of spikes tell apart (3 for T = 4), learned in training by rounding with a
straight-through gradient. After each block the largest activations of a grid of at most 4x4 feed a linear exit. It
trains as the run did (epochs, rate, batch, variants, seed), stops by entropy and is calibrated with the code that the
spiking network uses, on the same images: an exit is a step here, and its output is what it adds to the scores of the
exit before.

    python benchmarks/early_exit_ann.py RUN [--epochs N] [--out FOLDER] [--limit N]

RUN is a run folder of `spikewise train` with a VGG on pictures. The folder --out (RUN-ann if absent) keeps checkpoints,
so that interrupted training goes on, and ann.json, which benchmarks/dtsnn_table.py takes.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from spikewise.data import Augmentation
from spikewise.dynamic import ExitPath, calibrate
from spikewise.learn import FitSettings, fit
from spikewise.network import VGG, OwnSpec, SpikingClassifier, run_steps, scaled
from spikewise.price import ann_workload, image_density, matched_bits
from spikewise.runs import MODEL_FILE, WORKLOAD_FILE, Run, write_json
from spikewise.workflow import halves, splits_of
from spikewise.workload import LayerActivity, LayerShape, Workload

GRID, MAX_DROPS = 4, (0.0, 0.002, 0.005, 0.01)


class Tally(nn.Module):
    """Hands on what it gets, and counts what is not zero while the network is evaluated."""

    n_on = n_seen = 0

    def forward(self, x):
        """X."""
        if not self.training:
            self.n_on, self.n_seen = self.n_on + int((x > 0).sum()), self.n_seen + x.numel()
        return x

    @property
    def rate(self):
        """Share that was not zero."""
        return self.n_on / self.n_seen


class Quantised(nn.Module):
    """Rectified activations of so many bits, up to a height that is learned."""

    def __init__(self, n_bits):
        super().__init__()
        self.n_levels, self.height, self.tally = 2**n_bits - 1, nn.Parameter(torch.tensor(2.0)), Tally()

    def forward(self, x):
        """Multiples of height / n_levels."""
        x = (x / self.height).clamp(0, 1)
        x = x + ((x * self.n_levels).round() / self.n_levels - x).detach()
        return self.tally(x * self.height)


class EarlyExitANN(nn.Module):
    """Blocks of a VGG, each with an exit; offers what a spiking network offers, an exit for a step."""

    def __init__(self, name, in_shape, n_classes, width, n_bits):
        super().__init__()
        self.spec = OwnSpec(f"{name}-ann", in_shape, n_classes)
        self.register_buffer("mean", torch.zeros(in_shape[0]))
        self.register_buffer("std", torch.ones(in_shape[0]))
        self.blocks, self.exits = nn.ModuleList(), nn.ModuleList()
        n_in, *sides = in_shape
        row, table = [], VGG[name]
        for entry, following in zip(table, [*table[1:], None], strict=True):
            if entry == "P":
                continue
            n_out = scaled(entry if isinstance(entry, int) else int(entry[1:]), width)
            if isinstance(entry, int):
                if following == "P":
                    sides = [side // 2 for side in sides]
                pool = nn.MaxPool2d(2) if following == "P" else nn.Identity()
                row += [nn.Conv2d(n_in, n_out, 3, padding=1, bias=False), pool, nn.BatchNorm2d(n_out)]
            else:
                n_in, sides = n_in * sides[0] * sides[1], [1, 1]
                row += [nn.Flatten(), nn.Linear(n_in, n_out, bias=False), nn.BatchNorm1d(n_out)]
            row, n_in = [*row, Quantised(n_bits)], n_out
            if following == "P" or following is None:
                self.blocks.append(nn.Sequential(*row))
                grid = [min(GRID, side) for side in sides]
                squeeze = [nn.AdaptiveMaxPool2d(grid), nn.Flatten()] if isinstance(entry, int) else []
                self.exits.append(nn.Sequential(*squeeze, Tally(), nn.Linear(n_in * grid[0] * grid[1], n_classes)))
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
        scores = self.exits[place](x)
        return scores - before, (x, scores, place + 1)

    def forward(self, images, n_steps):
        """What each exit adds (T, B, K)."""
        return run_steps(self, images, n_steps)


def workload_of(network, load, n_bits):
    """The network with all exits as one workload, and the layers that have run when a sample leaves by each exit."""
    ann = ann_workload(load, n_bits)
    rates = [each.tally.rate for each in network.modules() if isinstance(each, Quantised)]
    into = [image_density(load), *rates]
    shapes, activity, names, has_run, alone = [], [], [], [], []
    for place, (block, out) in enumerate(zip(network.blocks, network.exits, strict=True)):
        for _ in range(sum(isinstance(each, nn.Conv2d | nn.Linear) for each in block)):
            layer, rate = ann.layers[len(names)], into[len(names)]
            busy = layer.n_unfolded * rate, layer.n_inputs * rate, layer.n_neurons * rates[len(names)]
            shapes.append(layer)
            activity.append(LayerActivity(*((value,) for value in busy)))
            names.append(layer.name)
        linear, rate = out[-1], out[-2].rate
        shapes.append(LayerShape(
            f"exit{place + 1}", "linear", linear.in_features, linear.out_features, input_bits=n_bits, has_neurons=False,
            weight_bits=load.layers[-1].weight_bits, state_bits=load.layers[-1].state_bits,
        ))  # fmt: skip
        activity.append(LayerActivity(*((value,) for value in (linear.in_features * rate,) * 2), (0.0,)))
        alone.append([*names, f"exit{place + 1}"])
        has_run.append([*names, *(f"exit{each + 1}" for each in range(place + 1))])
    return Workload(ann.name, shapes, activity, n_samples=ann.n_samples), has_run, alone


def trained(run, spec, n_bits, options, out, splits):
    """The network with exits, trained as the run was."""
    asked = dict(run.record["settings"]["fit"])
    torch.manual_seed(asked["seed"])
    network = EarlyExitANN(spec.name, spec.in_shape, spec.n_classes, spec.width, n_bits)
    keys = ("batch_size", "lr", "optimizer", "weight_decay", "schedule", "warmup", "seed", "label_smoothing", "ema")
    settings = FitSettings(
        **{key: asked[key] for key in keys}, augment=Augmentation(**asked["augment"]), accumulate="sum", threads=1,
        epochs=options.epochs or asked["epochs"], n_steps=len(network.exits),
    )  # fmt: skip
    train, (chosen_on, _) = splits["train"], halves(splits["validation"])
    found = fit(
        network, (train.images[: options.limit], train.labels[: options.limit]),
        (chosen_on.images, chosen_on.labels), settings,
        checkpoint=out / "checkpoint.safetensors", resume=True, logs=out,
        progress=lambda moment: print(f"\r{moment.epochs_done:.2f} of {settings.epochs} epochs", end="", flush=True),
    )  # fmt: skip
    print()
    return network, settings, found


def main():
    """Train, calibrate, answer the test images once, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--epochs", type=int, help="those of the run if absent")
    parser.add_argument("--limit", type=int, help="training images to use, for a quick look")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    run, out = Run.open(options.run), options.out or options.run.with_name(f"{options.run.name}-ann")
    splits, spiking = splits_of(run), SpikingClassifier.load(run.path / MODEL_FILE)
    spec, n_bits = spiking.model.spec, matched_bits(spiking.n_steps)
    if spec.name not in VGG or splits["train"].n_frames is not None:
        parser.error(f"RUN must hold a VGG that was trained on pictures; got {spec.name} on {splits['train'].name}.")
    out.mkdir(parents=True, exist_ok=True)
    network, settings, learned = trained(run, spec, n_bits, options, out, splits)
    validation, test = splits["validation"], splits["test"]
    classifier = SpikingClassifier(network, len(network.exits))
    rules = {
        max_drop: calibrate(
            classifier.trace(validation.images, validation.labels), ExitPath.of("entropy", "sum"), max_drop=max_drop
        ).rule
        for max_drop in MAX_DROPS
    }
    with run.locked():
        run.log_test_evaluation(f"ANN baseline with exits, {settings.epochs} epochs", test.n_samples)
    for each in network.modules():
        if isinstance(each, Tally):
            each.n_on = each.n_seen = 0
    accuracy = classifier.trace(test.images, test.labels).accuracy_by_step().tolist()
    load, has_run, alone = workload_of(network, Workload.read(run.path / WORKLOAD_FILE), n_bits)
    rows = [
        {"name": f"ANN with exit {place + 1} alone", "accuracy": value, "shares": [1.0], "layers": [alone[place]]}
        for place, value in enumerate(accuracy)
    ]
    for max_drop, rule in rules.items():
        found = classifier.predict_with_exit(test.images, rule)
        shares = (found.histogram / test.n_samples).tolist()
        hits = float((found.labels == test.labels).mean())
        rows.append({"name": f"ANN drop-{max_drop:g}", "accuracy": hits, "shares": shares, "layers": has_run})
    write_json(out / "ann.json", {
        "run": run.path.name, "n_bits": n_bits, "workload": replace(load, name=spec.name + "-ann").to_dict(),
        "settings": settings.model_dump(mode="json"), "validation": list(learned.best.accuracy_by_step), "rows": rows,
    })  # fmt: skip
    for row in rows:
        print(f"{row['name']}: {row['accuracy']:.2%}, {row['shares']}")


if __name__ == "__main__":
    main()
