"""Two processes that share every batch do what one does alone."""

import json
import os
import socket
import subprocess
import sys

import pytest
import torch

from spikewise.errors import ParameterError
from spikewise.learn.parallel import Processes, this_process

SCRIPT = """
import json, sys
import numpy as np
import torch
torch.set_num_threads(1)
from spikewise.data.augment import Augmentation
from spikewise.learn import FitSettings
from spikewise.learn.fit import fit
from spikewise.network import build_model

rng = np.random.default_rng(0)
labels = rng.integers(0, 2, 41)
images = rng.integers(0, 100, (41, 1, 8, 8), dtype=np.uint8)
for image, label in zip(images, labels):
    image[0, 4 * label : 4 * label + 4] += 150
for dtype in map(torch.__dict__.get, sys.argv[1:]):
    model = build_model("vgg5", (1, 8, 8), 2, width=0.5).to(dtype)
    settings = FitSettings(
        epochs=4, batch_size=14, n_steps=2, lr=3e-3, ema=0.5, clip_norm=1.0,
        augment=Augmentation(max_shift=1, mixup=0.2),
    )
    found = fit(model, (images, labels), (images, labels), settings)
    means = [float(value.double().sum()) for key, value in model.state_dict().items() if "running" in key]
    rows = [(row.loss, row.validation_loss) for row in found.history]
    print(json.dumps([rows, means]))
"""


def together(n_processes, *dtypes):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = []
    for rank in range(n_processes):
        place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": n_processes, "MASTER_ADDR": "127.0.0.1"}
        environment = {**os.environ, **{key: str(value) for key, value in place.items()}, "MASTER_PORT": str(port)}
        command = [sys.executable, "-W", "ignore", "-c", SCRIPT, *dtypes]
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
@pytest.mark.parametrize(("dtype", "rel"), [("float64", 1e-12), ("float32", 1e-5)])
def test_two_processes_lose_as_much_as_one(dtype, rel):
    ((alone,),), ((first,), (second,)) = together(1, dtype), together(2, dtype)
    assert first == second
    for one, two in zip(alone[0], first[0], strict=True):
        assert two == pytest.approx(one, rel=rel)
    if dtype == "float64":
        assert first[1] == pytest.approx(alone[1], rel=rel, abs=1e-8)


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
