"""Two processes that share every batch do what one does alone."""

import json
import os
import socket
import subprocess
import sys

import pytest
import torch

from spikewise.errors import ParameterError
from spikewise.learn.gradient.parallel import Processes, this_process

SCRIPT = """
import json, sys
import numpy as np
import torch
torch.set_num_threads(1)
from spikewise.data.augmentation import Augmentation
from spikewise.learn import FitSettings
from spikewise.learn.gradient.fit import fit
from spikewise.network import build_model

rng = np.random.default_rng(0)
n_images, batch_size = map(int, sys.argv[1:3])
labels = rng.integers(0, 2, n_images)
images = rng.integers(0, 100, (n_images, 1, 8, 8), dtype=np.uint8)
for image, label in zip(images, labels):
    image[0, 4 * label : 4 * label + 4] += 150
for dtype in map(torch.__dict__.get, sys.argv[3:]):
    model = build_model("vgg5", (1, 8, 8), 2, width=0.5).to(dtype)
    settings = FitSettings(
        epochs=4, batch_size=batch_size, n_steps=2, lr=3e-3, ema=0.5, clip_norm=1.0,
        augment=Augmentation(max_shift=1, mixup=0.2),
    )
    found = fit(model, (images, labels), (images, labels), settings)
    means = [float(value.double().sum()) for key, value in model.state_dict().items() if "running" in key]
    rows = [(row.loss, row.validation_loss) for row in found.history]
    print(json.dumps([rows, means]))
"""


def together(n_processes, *dtypes, n_images=41, batch_size=14):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = []
    for rank in range(n_processes):
        place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": n_processes, "MASTER_ADDR": "127.0.0.1"}
        environment = {**os.environ, **{key: str(value) for key, value in place.items()}, "MASTER_PORT": str(port)}
        command = [sys.executable, "-W", "ignore", "-c", SCRIPT, str(n_images), str(batch_size), *dtypes]
        running.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
    try:
        outputs = [process.communicate(timeout=150)[0] for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()
    assert not any(process.returncode for process in running)
    return [[json.loads(line) for line in output.splitlines()] for output in outputs]


@pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="this torch has no gloo")
def test_two_processes_lose_as_much_as_one():
    ((alone,),), ((first,), (second,)) = together(1, "float64"), together(2, "float64")
    assert first == second
    for one, two in zip(alone[0], first[0], strict=True):
        assert two == pytest.approx(one, rel=1e-12)
    assert first[1] == pytest.approx(alone[1], rel=1e-12, abs=1e-8)


@pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="this torch has no gloo")
def test_two_processes_of_short_floats_end_where_one_does():
    """Sums in another order differ in the last bits, by which a neuron near its threshold fires or not."""
    many = {"n_images": 600, "batch_size": 60}
    ((alone,),), ((first,), (second,)) = together(1, "float32", **many), together(2, "float32", **many)
    assert first == second
    assert first[0][-1] == pytest.approx(alone[0][-1], abs=1e-2)  # losses that began at 0.7


def test_without_a_launcher_there_is_one_process(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert this_process() == Processes(0, 1)
    assert this_process().is_main


def test_the_shares_of_a_batch_are_the_batch():
    rows = torch.arange(7)
    shares = [Processes(rank, 3).mine(rows) for rank in range(3)]
    assert torch.cat(shares).sort().values.equal(rows)


def test_batches_too_small_to_share_are_refused():
    with pytest.raises(ParameterError, match="batch_size must leave each of the 4 processes two images; got 7"):
        Processes(0, 4).check_batch(7)
