"""BindsNET's Diehl & Cook networks, as fast as its own options make them. Runs in its environment, not in ours.

The network is the one of its ``batch_eth_mnist`` example (exc 22.5, inh 120, theta_plus 0.05, nu (1e-4, 1e-2), white
pixels at 128 Hz), here for 350 steps. Everything that only watches is left out: no monitors, no plots. In its favour:

* ``torch.inference_mode``, a bit faster than ``no_grad``; denormal floats flushed; what is loaded kept from the
  garbage collector;
* encoder ``poisson`` is its example's, ``bernoulli`` another of its own with the same rates in a fourth of the time;
  both image by image, which is faster than a whole batch at once;
* ``is_lean`` leaves the two fixed connections out of the learning round and reads only the rows of inputs that
  spiked (``manual_update``, ``sparse_compute``).

Tried and left out: ``sparse=True`` weights, 30 times slower than dense ones.
"""

import gc
import importlib.machinery
import json
import sys
import time
import types
from collections.abc import Iterator
from importlib.metadata import version

import numpy as np
import torch

_HZ = 128.0  # of a white pixel
_WARM_STEPS = 20
_N_LABELLED = 2000  # images shown again to name the neurons
_FROZEN_BATCH = 250
# bindsnet imports these for games, plots and downloads when it is imported, and training uses none of them.
_STAND_INS = {"torchvision", "tensorboardX", "cv2", "gymnasium", "ale_py"}


class _StandIn(types.ModuleType):
    """A module in which any name is an empty class, or a module like itself."""

    __path__ = ()

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {}) if name[0].isupper() else _StandIn(name)


class _StandInFinder:
    """Finds a stand-in where nothing else was found."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in _STAND_INS:
            return importlib.machinery.ModuleSpec(name, _StandInFinder, is_package=True)
        return None

    @staticmethod
    def create_module(spec):
        return _StandIn(spec.name)

    @staticmethod
    def exec_module(module):
        pass


sys.meta_path.append(_StandInFinder)

from bindsnet import encoding, evaluation, models  # noqa: E402  # after the stand-ins
from bindsnet.learning.MCC_learning import DiehlAndCook as PostSpikeRule  # noqa: E402
from bindsnet.network.monitors import Monitor  # noqa: E402


def build_network(request: dict) -> torch.nn.Module:
    """A fresh network as the request describes it."""
    torch.manual_seed(request["seed"])
    common = {"n_inpt": 784, "n_neurons": request["n_neurons"], "inh": 120.0, "theta_plus": 0.05}
    if request["model"] == "v2":
        return models.DiehlAndCook2015v2(**common, inpt_shape=(784,))
    rule = (
        {"learning_rule": PostSpikeRule, "learning_rule_kwargs": {"x_tar": 0.4}} if request["model"] == "post" else {}
    )
    network = models.DiehlAndCook2015(**common, exc=22.5, inpt_shape=(784,), **rule)
    if request.get("is_lean"):
        for ends, connection in network.connections.items():
            connection.manual_update = ends != ("X", "Ae")
            connection.sparse_compute = True
    return network


def encode(shares: torch.Tensor, n_steps: int, encoder: str) -> torch.Tensor:
    """Spike trains (T, B, 784) of images (B, 784) in [0, 1]."""
    if encoder == "poisson":
        return torch.stack([encoding.poisson(image * _HZ, n_steps) for image in shares], 1)
    return torch.stack([encoding.bernoulli(image, n_steps, max_prob=_HZ / 1000) for image in shares], 1)


def present(network: torch.nn.Module, shares: torch.Tensor, request: dict) -> None:
    """Encode one batch, show it, and clear the state."""
    network.run({"X": encode(shares, request["n_steps"], request["encoder"])}, time=request["n_steps"])
    network.reset_state_variables()


def batches(images: torch.Tensor, size: int) -> Iterator[torch.Tensor]:
    """The images in groups of one size, the remainder left out."""
    return (images[start : start + size] for start in range(0, len(images) - size + 1, size))


def prepared(request: dict, shares: torch.Tensor) -> torch.nn.Module:
    """A network that has run some steps, so that memory is taken and code is loaded."""
    network = build_network(request)
    spikes = encode(shares[: request["batch"]], request["n_steps"], request["encoder"])
    network.run({"X": spikes[:_WARM_STEPS]}, time=_WARM_STEPS)
    network.reset_state_variables()
    return network


def speed(request: dict, shares: torch.Tensor) -> dict:
    """CPU time of learning from some batches, encoding included."""
    network = prepared(request, shares)
    began = time.process_time()
    n = 0
    for batch in batches(shares, request["batch"]):
        present(network, batch, request)
        n += len(batch)
    cpu_s = time.process_time() - began
    names = ("bindsnet", "torch", "numpy")
    return {"cpu_s": cpu_s, "n": n, "versions": {name: version(name) for name in names}}


def accuracy(request: dict, shares: torch.Tensor, labels: torch.Tensor) -> None:
    """A line per prefix: CPU time of learning and labelling so far, and accuracy on the validation images."""
    n_training = len(shares) - request["n_validation"]
    network, prefixes = prepared(request, shares), list(request["prefixes"])
    learn_s, n, is_over = 0.0, 0, False
    while not is_over:
        for batch in batches(shares[:n_training], request["batch"]):
            began = time.process_time()
            present(network, batch, request)
            learn_s += time.process_time() - began
            n += len(batch)
            is_over = learn_s > request["budget_s"] or not prefixes
            if is_over or n >= prefixes[0]:
                prefixes = [size for size in prefixes if size > n]
                answer = read_out(network, request, shares, labels, min(n, n_training))
                answer |= {"n": n, "cpu_s": learn_s + answer.pop("label_s")}
                print(json.dumps(answer), flush=True)
                is_over = is_over or answer["accuracy"] >= request["target"]
            if is_over:
                break


def read_out(network: torch.nn.Module, request: dict, shares: torch.Tensor, labels: torch.Tensor, n_seen: int) -> dict:
    """Label the frozen network with images it has seen; accuracy of the better of the library's two readouts."""
    network.train(False)
    began = time.process_time()
    n_labelled = min(n_seen, _N_LABELLED)
    counts = count_spikes(network, shares[:n_labelled], request)
    classes, proportions, _ = evaluation.assign_labels(counts, labels[:n_labelled], 10)
    label_s = time.process_time() - began
    validation = slice(len(shares) - request["n_validation"], len(shares))
    counts, truth = count_spikes(network, shares[validation], request), labels[validation]
    network.train(True)
    found = {
        "all": evaluation.all_activity(counts, classes, 10),
        "proportion": evaluation.proportion_weighting(counts, classes, proportions, 10),
    }
    scores = {name: float((guess == truth).float().mean()) for name, guess in found.items()}
    return {"label_s": label_s, "accuracy": max(scores.values()), "readouts": scores}


def count_spikes(network: torch.nn.Module, shares: torch.Tensor, request: dict) -> torch.Tensor:
    """Spikes (B, 1, N) of each neuron; the library's readouts sum over the middle axis themselves."""
    layer = network.layers["Y" if request["model"] == "v2" else "Ae"]
    watch = Monitor(layer, ["s"], time=request["n_steps"])
    network.add_monitor(watch, "counts")
    counts = []
    for batch in shares.split(_FROZEN_BATCH):
        network.run({"X": encode(batch, request["n_steps"], request["encoder"])}, time=request["n_steps"])
        counts.append(watch.get("s").float().sum(0))
        network.reset_state_variables()
    del network.monitors["counts"]
    return torch.cat(counts).unsqueeze(1)


def main() -> None:
    """Do what the request on the command line asks."""
    request = json.loads(sys.argv[1])
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    with torch.inference_mode():
        images = np.load(request["images"])[: request.get("n")]
        shares = torch.from_numpy(images.reshape(len(images), -1).astype(np.float32) / 255)
        gc.freeze()
        if request["task"] == "speed":
            print(json.dumps(speed(request, shares)))
        else:
            accuracy(request, shares, torch.from_numpy(np.load(request["labels"]).astype(np.int64)))


if __name__ == "__main__":
    main()
