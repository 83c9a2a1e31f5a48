import contextlib
import functools
import gc
import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
import typer
from hypothesis import settings

# Every core has a worker of its own: threads of libraries would wait for each other, and burn time while they wait.
# This must be said before anything loads numpy or torch, so what needs them imports them below.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

settings.register_profile("shared machine", deadline=None)  # no time is a failure: others may use the processor
settings.load_profile("shared machine")


gc.disable()  # what is imported before the first test is no garbage


def pytest_collection_finish():
    """Leave what was imported out of every later search for garbage."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def untraced():
    """Let coverage look away while numba compiles, matplotlib draws and json writes, each of which it slows by a half.

    Of ours, only what vector instructions expand to runs then, and with a warm cache of kernels it never does.
    """
    from matplotlib.figure import Figure
    from numba.core.dispatcher import Dispatcher

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in ((Dispatcher, "compile"), (Figure, "savefig"), (json.JSONEncoder, "encode")):
            patch.setattr(owner, name, _untraced(getattr(owner, name)))
        yield


def _untraced(function):
    @functools.wraps(function)
    def call(*args, **kwargs):
        tracer = sys.gettrace()
        sys.settrace(None)
        try:
            return function(*args, **kwargs)
        finally:
            sys.settrace(tracer)

    return call


@pytest.fixture(scope="session", autouse=True)
def commands_made_once():
    """Let the hundreds of commands that run in one process share the parser that a process makes of their options."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.main.get_command", functools.cache(typer.main.get_command))
        yield


@pytest.fixture(scope="session")
def few_digits(tmp_path_factory):
    """A small .npz of real digits, for runs of seconds."""
    import numpy as np
    from sklearn.datasets import load_digits

    path = tmp_path_factory.mktemp("data") / "few.npz"
    images, labels = load_digits(return_X_y=True)
    np.savez(path, images=(images[:300] * 15.9).astype(np.uint8).reshape(-1, 8, 8), labels=labels[:300])
    return path


@pytest.fixture(scope="session")
def trained_deep(few_digits, tmp_path_factory):
    small = ["--model", "vgg5", "--width", "0.2", "--steps", "3", "--epochs", "3", "--threads", "1"]
    return _run_of("train", few_digits, tmp_path_factory, small)


@pytest.fixture(scope="session")
def trained_unlabelled(few_digits, tmp_path_factory):
    return _run_of("stdp", few_digits, tmp_path_factory, ["--neurons", "20", "--steps", "60", "--epochs", "2"])


@pytest.fixture(scope="module")
def deep(trained_deep, tmp_path_factory):
    """A run of a small network that was trained by gradients: a copy for the tests of one file."""
    return shutil.copytree(trained_deep, tmp_path_factory.mktemp("runs") / trained_deep.name)


@pytest.fixture(scope="module")
def unlabelled(trained_unlabelled, tmp_path_factory):
    """A run of a small network that learned without labels: a copy for the tests of one file."""
    return shutil.copytree(trained_unlabelled, tmp_path_factory.mktemp("runs") / trained_unlabelled.name)


def _run_of(command, data, tmp_path_factory, options):
    from spikewise.cli.app import run

    out = tmp_path_factory.mktemp("trained") / command
    assert run([command, "--data", str(data), "--out", str(out), *options]) == 0
    return out


@pytest.fixture(scope="session")
def drawing_nothing():
    """Context in which runs get no pictures and no page, which take most of the time of a small one."""

    @contextlib.contextmanager
    def nothing():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("spikewise.workflow.stdp._draw", lambda *_: None)
            patch.setattr("spikewise.report.page.page.write_page", lambda *_, **__: None)
            yield

    return nothing


@pytest.fixture
def undrawn(drawing_nothing):
    """Leaves the pictures and the pages out of one test."""
    with drawing_nothing():
        yield


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
