"""Two processes that share every batch do what one does alone."""

import contextlib
import io
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
import json
import numpy as np
import torch
from spikewise.data.augmentation import Augmentation
from spikewise.learn import FitSettings
from spikewise.learn.gradient.fit import fit
from spikewise.network import build_model

for dtype, n_images, batch_size in (torch.float64, 41, 14), (torch.float32, 600, 60):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, n_images)
    images = rng.integers(0, 100, (n_images, 1, 8, 8), dtype=np.uint8)
    for image, label in zip(images, labels):
        image[0, 4 * label : 4 * label + 4] += 150
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


def two_processes():
    """What each of two processes prints."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = []
    for rank in range(2):
        place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        environment = {**os.environ, **{key: str(value) for key, value in place.items()}, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-W", "ignore", "-c", SCRIPT]
        running.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
    try:
        outputs = [process.communicate(timeout=150)[0] for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()
    assert not any(process.returncode for process in running)
    return outputs


def one_process():
    """What this process prints as the only one of a launch."""
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as output:
        for name, value in (("RANK", "0"), ("LOCAL_RANK", "0"), ("WORLD_SIZE", "1")):
            patch.setenv(name, value)
        exec(SCRIPT, {})
    return output.getvalue()


@pytest.fixture(scope="module")
def found():
    """Losses and sums with long floats, and with short ones: of one process, and of two that share every batch."""
    if not torch.distributed.is_gloo_available():
        pytest.skip("this torch has no gloo")
    outputs = [one_process(), *two_processes()]
    return list(zip(*([json.loads(line) for line in output.splitlines()] for output in outputs), strict=True))


def test_two_processes_lose_as_much_as_one(found):
    alone, first, second = found[0]
    assert first == second
    for one, two in zip(alone[0], first[0], strict=True):
        assert two == pytest.approx(one, rel=1e-12)
    assert first[1] == pytest.approx(alone[1], rel=1e-12, abs=1e-8)


def test_two_processes_of_short_floats_end_where_one_does(found):
    """Sums in another order differ in the last bits, by which a neuron near its threshold fires or not."""
    alone, first, second = found[1]
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
