"""One step of the same small spiking network in one engine, training or inference: CPU time and peak memory.

The network: 3x3 convolutions of 32, 64 and 128 channels on 32x32 colour images, sums halved by pooling (the mean, or
the largest) after the second and third, batch normalisation over time and batch, LIF neurons with decay 1/2 and hard
reset, a linear read-out, cross-entropy of the mean logits, T = 4. The first convolution of the static image runs once,
in all engines. Each engine's neurons and surrogate are those that its users take by default.
"""

import time

BEGAN = time.perf_counter()  # before the libraries are there: importing and compiling are part of the first step

import importlib  # noqa: E402
import json  # noqa: E402
import resource  # noqa: E402
import sys  # noqa: E402
from importlib.metadata import version  # noqa: E402
from itertools import pairwise  # noqa: E402

import torch  # noqa: E402
from jelly import spikingjelly_neurons  # noqa: E402
from torch import nn  # noqa: E402

WIDTHS, POOLS, SIDE, N_CLASSES = (32, 64, 128), (1, 2, 2), 32, 10


class Fire(torch.autograd.Function):
    """A step forward, a triangle backward: what everybody writes first."""

    @staticmethod
    def forward(ctx, x):
        """Zeros and ones."""
        ctx.save_for_backward(x)
        return (x >= 0).to(x.dtype)

    @staticmethod
    def backward(ctx, grad):
        """Slope of the triangle."""
        (x,) = ctx.saved_tensors
        return grad * (1 - x.abs()).clamp(min=0)


class Body(nn.Module):
    """Convolutions and normalisation, which all engines share; ``neurons`` turns currents (T, B, ...) into spikes."""

    def __init__(self, neurons, pooling):
        super().__init__()
        pool = {"average": nn.AvgPool2d, "max": nn.MaxPool2d}[pooling]
        before = (3, *WIDTHS[:-1])
        sizes = zip(before, WIDTHS, strict=True)
        self.convs = nn.ModuleList(nn.Conv2d(n_in, n_out, 3, padding=1, bias=False) for n_in, n_out in sizes)
        self.pools = nn.ModuleList(pool(p) if p > 1 else nn.Identity() for p in POOLS)
        self.norms = nn.ModuleList(nn.BatchNorm2d(o) for o in WIDTHS)
        self.neurons = nn.ModuleList(neurons() for _ in WIDTHS)
        self.readout = nn.Linear(WIDTHS[-1] * (SIDE // 4) ** 2, N_CLASSES)

    def forward(self, images, n_steps):
        """Mean logits (B, K)."""
        drive = self.norms[0](self.pools[0](self.convs[0](images)))
        x = self.neurons[0](drive.unsqueeze(0).expand(n_steps, *drive.shape))
        for conv, pool, norm, neurons in list(zip(self.convs, self.pools, self.norms, self.neurons, strict=True))[1:]:
            sums = norm(pool(conv(x.flatten(0, 1))))
            x = neurons(sums.unflatten(0, (n_steps, -1)))
        return self.readout(x.flatten(2)).mean(0)


class EagerLIF(nn.Module):
    """A loop over time."""

    def forward(self, currents):
        """Spikes (T, B, ...)."""
        v, spikes = torch.zeros_like(currents[0]), []
        for current in currents:
            v = 0.5 * v + current
            spike = Fire.apply(v - 1.0)
            v = v * (1 - spike)
            spikes.append(spike)
        return torch.stack(spikes)


def eager(pooling):
    """Plain PyTorch."""
    return Body(EagerLIF, pooling), ["torch"]


class PooledFirst(Body):
    """The same network with pooling before the convolutions, where ours has it."""

    def forward(self, images, n_steps):
        """Mean logits (B, K)."""
        drive = self.norms[0](self.convs[0](images))
        x = self.neurons[0](drive.unsqueeze(0).expand(n_steps, *drive.shape))
        for conv, norm, neurons in list(zip(self.convs, self.norms, self.neurons, strict=True))[1:]:
            means = nn.functional.avg_pool2d(x.flatten(0, 1), 2, stride=1, padding=1)
            sums = norm(nn.functional.conv2d(means, conv.weight, stride=2))
            x = neurons(sums.unflatten(0, (n_steps, -1)))
        return self.readout(x.flatten(2)).mean(0)


def eager_pooled_first(pooling):
    """Plain PyTorch that is given our exchange of pooling and convolution, which means alone allow."""
    return PooledFirst(EagerLIF, pooling), ["torch"]


def ours(pooling):
    """The fused layers of this project."""
    network = importlib.import_module("spikewise.network")
    params = network.LIFParams()

    class Fused(nn.Module):
        def __init__(self):
            super().__init__()
            sizes = zip((3, *WIDTHS[:-1]), WIDTHS, POOLS, strict=True)
            self.layers = nn.ModuleList(network.conv_layer(*ends, params, pool, pooling) for *ends, pool in sizes)
            self.readout = nn.Linear(WIDTHS[-1] * (SIDE // 4) ** 2, N_CLASSES)

        def forward(self, images, n_steps):
            first, *others = self.layers
            means = [after.takes_means(before) for before, after in pairwise(self.layers)] + [False]
            x, _ = first.fire(first.sums(images).unsqueeze(0), n_steps, means=means[0])
            for layer, asked in zip(others, means[1:], strict=True):
                x, _ = layer(x, means=asked)
            return self.readout(x.flatten(2)).mean(0)

    return Fused(), ["torch", "spikewise", "numba"]


def spikingjelly(pooling):
    """Its multi-step neurons, torch backend."""
    return Body(spikingjelly_neurons(), pooling), ["torch", "spikingjelly"]


def snntorch(pooling):
    """Its leaky neurons, step by step as it teaches."""
    snn = importlib.import_module("snntorch")

    class Loop(nn.Module):
        def __init__(self):
            super().__init__()
            self.lif = snn.Leaky(beta=0.5, reset_mechanism="zero")

        def forward(self, currents):
            mem, spikes = self.lif.reset_mem(), []
            for current in currents:
                spike, mem = self.lif(current, mem.to(current.dtype))  # its state begins in float32
                spikes.append(spike.to(current.dtype))
            return torch.stack(spikes)

    return Body(Loop, pooling), ["torch", "snntorch"]


def measure(request):
    """Median CPU seconds of a training step, or of an inference, over several, after some to warm up."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    network, packages = {f.__name__: f for f in (eager, eager_pooled_first, ours, spikingjelly, snntorch)}[
        request["engine"]
    ](request["pooling"])
    dtype = getattr(torch, request["dtype"])
    network = network.to(dtype).to(memory_format=torch.channels_last)
    images = torch.rand(request["batch"], 3, SIDE, SIDE).to(dtype).to(memory_format=torch.channels_last)
    labels = torch.randint(N_CLASSES, (request["batch"],))
    seconds, first_step = [], None
    network.train(not request["inference"])
    for _ in range(request["warm"] + request["repeats"]):
        network.zero_grad(set_to_none=True)
        began = time.process_time()
        with torch.set_grad_enabled(not request["inference"]):
            loss = nn.functional.cross_entropy(network(images, request["n_steps"]).float(), labels)
        if not request["inference"]:
            loss.backward()
        seconds.append(time.process_time() - began)
        first_step = first_step or time.perf_counter() - BEGAN
    seconds = sorted(seconds[request["warm"] :])
    return {
        "engine": request["engine"],
        "images_per_s": request["batch"] / seconds[len(seconds) // 2],
        "best_images_per_s": request["batch"] / seconds[0],
        "first_step_s": first_step,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "versions": {name: version(name) for name in packages},
    }


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1]))))
