import signal
import subprocess

import numpy as np
import pytest
from sklearn.datasets import load_digits


@pytest.fixture(scope="session")
def few_digits(tmp_path_factory):
    """A small .npz of real digits, for runs of seconds."""
    path = tmp_path_factory.mktemp("data") / "few.npz"
    images, labels = load_digits(return_X_y=True)
    np.savez(path, images=(images[:300] * 15.9).astype(np.uint8).reshape(-1, 8, 8), labels=labels[:300])
    return path


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
