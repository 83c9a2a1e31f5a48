"""One training step of a deep spiking network on a GPU in one engine: time per image, and peak memory.

VGG-16 and ResNet-19 for colour images of 32x32, 10 classes: 3x3 convolutions, sums halved by average pooling, batch
normalisation over time and batch, LIF neurons with decay 1/2 and hard reset, a mean over the last maps, a linear
read-out, cross-entropy of the mean logits. The first convolution of the static image runs once, in all engines;
weights have 32 bits and activations 16 (bfloat16 by autocast), channels come last. Without the optimiser.
"""

import importlib
import json
import sys
from contextlib import ExitStack
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from statistics import median
from unittest.mock import patch

import torch
from jelly import spikingjelly_neurons
from torch import nn

SIDE, N_CLASSES = 32, 10
VGG16 = (64, 64, "P", 128, 128, "P", 256, 256, 256, "P", 512, 512, 512, "P", 512, 512, 512)
STEM, STAGES = 128, ((128, 3, 1), (256, 3, 2), (512, 2, 2))  # channels, blocks, stride of ResNet-19


class Layer(nn.Module):
    """Convolution, pooling, normalisation and neurons on sums (T * B, ...)."""

    def __init__(self, n_in, n_out, neurons, stride=1, pool=1):
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, 3, stride, padding=1, bias=False)
        self.pool = nn.AvgPool2d(pool) if pool > 1 else nn.Identity()
        self.norm = nn.BatchNorm2d(n_out)
        self.neurons = neurons()

    def forward(self, x, n_steps, shortcut=0):
        """Spikes (T * B, ...); of an image (B, ...) the current serves all steps."""
        current = self.norm(self.pool(self.conv(x))) + shortcut
        steps = (
            current.unflatten(0, (n_steps, -1))
            if self.conv.in_channels > 3
            else current.expand(n_steps, *current.shape)
        )
        return self.neurons(steps).flatten(0, 1)


class Block(nn.Module):
    """Two layers and a shortcut around them."""

    def __init__(self, n_in, n_out, neurons, stride):
        super().__init__()
        self.first, self.second = Layer(n_in, n_out, neurons, stride), Layer(n_out, n_out, neurons)
        parts = nn.Conv2d(n_in, n_out, 1, bias=False), nn.AvgPool2d(stride), nn.BatchNorm2d(n_out)
        self.shortcut = nn.Identity() if stride == 1 and n_in == n_out else nn.Sequential(*parts)

    def forward(self, x, n_steps):
        """Spikes (T * B, ...)."""
        return self.second(self.first(x, n_steps), n_steps, self.shortcut(x))


class Network(nn.Module):
    """Layers and read-out, with the neurons of another library; they turn currents (T, B, ...) into spikes."""

    def __init__(self, name, neurons):
        super().__init__()
        if name == "vgg16":
            pools = [2 if following == "P" else 1 for entry, following in pairwise((*VGG16, None)) if entry != "P"]
            sizes = [entry for entry in VGG16 if entry != "P"]
            pairs = zip(pairwise((3, *sizes)), pools, strict=True)
            self.layers = nn.ModuleList(Layer(n_in, n_out, neurons, pool=pool) for (n_in, n_out), pool in pairs)
        else:
            self.layers, sizes = nn.ModuleList([Layer(3, STEM, neurons)]), [STEM]
            for n_out, n_blocks, first_stride in STAGES:
                for stride in (first_stride, *[1] * (n_blocks - 1)):
                    self.layers.append(Block(sizes[-1], n_out, neurons, stride))
                    sizes.append(n_out)
        self.readout = nn.Linear(sizes[-1], N_CLASSES)

    def forward(self, images, n_steps):
        """Logits (T, B, K)."""
        x = images
        for layer in self.layers:
            x = layer(x, n_steps)
        return self.readout(x.mean((2, 3))).unflatten(0, (n_steps, -1))


def ours(name, stack):
    """The fused layers of this project."""
    return importlib.import_module("spikewise.network").build_model(
        name, (3, SIDE, SIDE), N_CLASSES, **({"pooling": "average"} if name.startswith("vgg") else {})
    )


def plain(name, stack):
    """The same without them: PyTorch's normalisation, then all steps of the neurons as one node of the graph."""
    stack.enter_context(patch("spikewise.network.fused.cuda.can_fuse_cuda", lambda *_: False))
    return ours(name, stack)


def spikingjelly(name, stack):
    """Its multi-step neurons."""
    return Network(name, spikingjelly_neurons())


def versions():
    """Versions of what may matter."""
    found = {}
    for name in ("torch", "triton", "spikewise", "spikingjelly", "cupy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def step(network, images, labels, request):
    """Forward and backward."""
    network.zero_grad(set_to_none=True)
    with torch.autocast(images.device.type, torch.bfloat16):
        logits = network(images, request["n_steps"]).mean(0)
    nn.functional.cross_entropy(logits.float(), labels).backward()


def measure(request):
    """Median seconds of a step over several, after some to warm up, and the peak of allocated memory."""
    torch.manual_seed(0)
    torch.backends.cudnn.benchmark = True
    with ExitStack() as stack:
        network = {f.__name__: f for f in (ours, plain, spikingjelly)}[request["engine"]](request["model"], stack)
        network = network.cuda().to(memory_format=torch.channels_last)
        images = torch.rand(request["batch"], 3, SIDE, SIDE, device="cuda").to(memory_format=torch.channels_last)
        labels = torch.randint(N_CLASSES, (request["batch"],), device="cuda")
        for _ in range(request["warm"]):
            step(network, images, labels, request)
        torch.cuda.reset_peak_memory_stats()
        seconds = []
        for _ in range(request["repeats"]):
            began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            began.record()
            step(network, images, labels, request)
            ended.record()
            torch.cuda.synchronize()
            seconds.append(began.elapsed_time(ended) / 1e3)
    return {
        "engine": request["engine"],
        "model": request["model"],
        "images_per_s": request["batch"] / median(seconds),
        "best_images_per_s": request["batch"] / min(seconds),
        "peak_bytes": torch.cuda.max_memory_allocated(),
        "n_parameters": sum(each.numel() for each in network.parameters()),
        "device": torch.cuda.get_device_name(),
        "versions": versions(),
    }


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1]))))
