import signal
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import settings
from sklearn.datasets import load_digits

settings.register_profile("shared machine", deadline=None)  # no time is a failure: others may use the processor
settings.load_profile("shared machine")


@pytest.fixture(scope="session")
def few_digits(tmp_path_factory):
    """A small .npz of real digits, for runs of seconds."""
    path = tmp_path_factory.mktemp("data") / "few.npz"
    images, labels = load_digits(return_X_y=True)
    np.savez(path, images=(images[:300] * 15.9).astype(np.uint8).reshape(-1, 8, 8), labels=labels[:300])
    return path


@pytest.fixture(scope="module")
def deep(few_digits, tmp_path_factory):
    """A run of a small network that was trained by gradients."""
    small = ["--model", "vgg5", "--width", "0.2", "--steps", "3", "--epochs", "3", "--threads", "1"]
    return _run_of("train", few_digits, tmp_path_factory, small)


@pytest.fixture(scope="module")
def unlabelled(few_digits, tmp_path_factory):
    """A run of a small network that learned without labels."""
    return _run_of("stdp", few_digits, tmp_path_factory, ["--neurons", "20", "--steps", "60", "--epochs", "2"])


def _run_of(command, data, tmp_path_factory, options):
    from spikewise.cli.app import run

    out = tmp_path_factory.mktemp("runs") / command
    assert run([command, "--data", str(data), "--out", str(out), *options]) == 0
    return out


@pytest.fixture
def start():
    """Function that starts a command as a terminal would, where Ctrl-C reaches it.

    Whoever runs the tests in the background has the signal ignored, and children inherit that.
    """

    def run(command):
        return subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    return run


@pytest.fixture
def powercap(tmp_path, monkeypatch):
    """A machine whose processor counts energy: the function that lets it spend some joules."""
    monkeypatch.setitem(sys.modules, "pynvml", None)
    zone = tmp_path / "powercap" / "intel-rapl:0"
    zone.mkdir(parents=True)
    for name, content in (("name", "package-0"), ("max_energy_range_uj", "262143328850"), ("energy_uj", "0")):
        (zone / name).write_text(f"{content}\n")
    monkeypatch.setattr("spikewise.energy.meter.POWERCAP", str(zone.parent))

    def spend(joules):
        counter = zone / "energy_uj"
        counter.write_text(f"{int(counter.read_text()) + round(joules * 1e6)}\n")

    return spend


@pytest.fixture
def no_counters(tmp_path, monkeypatch):
    """A machine that counts no energy, whatever the one that runs the tests does."""
    monkeypatch.setitem(sys.modules, "pynvml", None)
    monkeypatch.setattr("spikewise.energy.meter.POWERCAP", str(tmp_path / "absent"))
