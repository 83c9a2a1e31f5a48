"""Answer images with one trained network, in one engine or several in turn: CPU time per image, and the answers.

The network is a VGG of this project, handed over as arrays: 3x3 convolutions, pooled sums, batch normalisation, LIF
neurons with decay 1/2 and hard reset, a read-out of the mean over the map or of every pixel. Other engines build it of
their own parts.
"""

import importlib
import json
import re
import sys
import time

import numpy as np
import torch
from jelly import spikingjelly_neurons
from torch import nn


class Same(nn.Module):
    """The network from its arrays, all steps at once; ``neurons`` makes a population."""

    def __init__(self, arrays, pools, pooling, neurons):
        super().__init__()
        names = {key.split(".")[1] for key in arrays if key.startswith("layers.")}
        names = sorted(names, key=lambda name: int(re.sub(r"\D", "", name)))
        self.mean, self.std = (torch.from_numpy(arrays[key])[:, None, None] for key in ("mean", "std"))
        self.convs, self.norms, self.neurons = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for name in names:
            weight = torch.from_numpy(arrays[f"layers.{name}.synapses.weight"])
            if weight.ndim == 4:
                conv, norm = nn.Conv2d(*weight.shape[1::-1], 3, padding=1, bias=False), nn.BatchNorm2d(len(weight))
            else:
                conv, norm = nn.Linear(*weight.shape[::-1], bias=False), nn.BatchNorm1d(len(weight))
            conv.weight.data = weight
            for key in ("weight", "bias", "running_mean", "running_var"):
                getattr(norm, key).data = torch.from_numpy(arrays[f"layers.{name}.norm.{key}"])
            self.convs.append(conv)
            self.norms.append(norm)
            self.neurons.append(neurons())
        square = nn.MaxPool2d if pooling == "max" else nn.AvgPool2d
        self.pools = nn.ModuleList(square(2) if pool > 1 else nn.Identity() for pool in pools)
        self.averages = arrays["readout.weight"].ndim == 4
        weight, bias = (torch.from_numpy(arrays[f"readout.{key}"]) for key in ("weight", "bias"))
        self.readout = nn.Linear(weight.shape[1], weight.shape[0])
        self.readout.weight.data, self.readout.bias.data = weight.flatten(1), bias

    def forward(self, images, n_steps):
        """Summed logits (B, K)."""
        x = (images.float() / 255 - self.mean) / self.std
        drive = self.norms[0](self.pools[0](self.convs[0](x)))
        x = self.neurons[0](drive.unsqueeze(0).repeat(n_steps, 1, 1, 1, 1))
        for conv, pool, norm, neurons in list(zip(self.convs, self.pools, self.norms, self.neurons, strict=True))[1:]:
            x = x.flatten(0, 1)
            sums = norm(pool(conv(x.flatten(1) if isinstance(conv, nn.Linear) else x)))
            x = neurons(sums.unflatten(0, (n_steps, -1)))
        return self.readout(x.mean((3, 4)) if self.averages else x.flatten(2)).sum(0)


def spikingjelly(request):
    """Its multi-step neurons, torch backend."""
    with np.load(request["weights"]) as file:
        neurons = spikingjelly_neurons(request["v_threshold"])
        network = Same(dict(file), request["pools"], request["pooling"], neurons).eval()
    network = network.to(memory_format=torch.channels_last)
    return lambda images: (network(images, request["n_steps"]).numpy(), np.full(len(images), request["n_steps"]))


def _ours(request):
    return importlib.import_module("spikewise.network").SpikingClassifier.load(request["model"])


def at_once(request):
    """Ours, all steps in one call: the fastest way to compute them all."""
    network = _ours(request).model

    def answer(images):
        return network(images, request["n_steps"]).sum(0).numpy(), np.full(len(images), request["n_steps"])

    return answer


def starting(request):
    """Ours, what is done once however early an image leaves: the first convolution, and a look at the weights."""
    model = _ours(request).model
    single_sample = importlib.import_module("spikewise.network").single_sample

    def answer(images):
        (single_sample(model) if request["batch"] == 1 else model).start(images)
        return np.zeros((len(images), 1)), np.zeros(len(images))

    return answer


def step_by_step(request):
    """Ours, one step after the other, never leaving early."""
    return _stopping(request, importlib.import_module("spikewise.dynamic").NeverExit())


def asking(request):
    """Ours, one step after the other, with a rule that is asked and never ready."""
    rule = importlib.import_module("spikewise.dynamic").rule_from_dict(request["rule"])
    return _stopping(request, rule.never())


def early_exit(request):
    """Ours, each image until its exit."""
    return _stopping(request, importlib.import_module("spikewise.dynamic").rule_from_dict(request["rule"]))


def _stopping(request, rule):
    network = _ours(request)

    def answer(images):
        found = network.predict_with_exit(images, rule)
        return found.scores, found.steps

    return answer


@torch.no_grad()
def measure(request):
    """CPU seconds per image of each engine: medians of several passes, which take turns, after a batch to warm up."""
    torch.set_num_threads(1)
    known = at_once, starting, step_by_step, asking, early_exit, spikingjelly
    answers = {f.__name__: f(request) for f in known if f.__name__ in request["engines"]}
    images = torch.from_numpy(np.load(request["images"]))
    batches = images.split(request["batch"])
    seconds, found = {engine: [] for engine in answers}, {}
    for answer in answers.values():
        answer(batches[0])
    for _ in range(request["repeats"]):
        for engine, answer in answers.items():
            began = time.process_time()
            found[engine] = [answer(batch) for batch in batches]
            seconds[engine].append((time.process_time() - began) / len(images))
    for engine, parts in found.items():
        scores, steps = (np.concatenate(part) for part in zip(*parts, strict=True))
        yield {
            "engine": engine,
            "seconds": sorted(seconds[engine])[len(seconds[engine]) // 2],
            "mean_steps": float(steps.mean()),
            "classes": scores.argmax(1).tolist(),
        }


if __name__ == "__main__":
    for row in measure(json.loads(sys.argv[1])):
        print(json.dumps(row))
