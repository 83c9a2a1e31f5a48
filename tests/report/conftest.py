"""Small runs to report on, and a headless Chromium driven over a pipe with the standard library alone."""

import base64
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress

import numpy as np
import pytest

from spikewise.data.images import ImageSet, load_images
from spikewise.dynamic.anytime import ExitResult, replay_exit
from spikewise.dynamic.rule import NeverExit
from spikewise.dynamic.trace import ScoreTrace
from spikewise.report.page import write_page
from spikewise.runs import Run
from spikewise.runs.exit_settings import ExitSettings
from spikewise.workflow.early_exit import price_exit, stop_early
from spikewise.workflow.learn import learn_stdp
from spikewise.workload import LayerShape, uniform_workload

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-pipe",
)  # fmt: skip
PATIENCE_S = 60
# The browser reads commands from descriptor 3 and answers on 4; Popen alone cannot place them there.
LAUNCH = """
import fcntl, os, sys
read, write = (fcntl.fcntl(int(fd), fcntl.F_DUPFD, 10) for fd in sys.argv[1:3])
os.dup2(read, 3), os.dup2(write, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Browser:
    def __init__(self, executable, profile):
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        launch = [sys.executable, "-c", LAUNCH, str(theirs_in), str(theirs_out)]
        self._process = subprocess.Popen(
            [*launch, executable, *FLAGS, f"--user-data-dir={profile}"],
            pass_fds=(theirs_in, theirs_out), start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        self._buffer = b""
        self._n_sent = 0
        self.events = []

    def call(self, method, session=None, **params):
        """Send one command and wait for its answer; events that come in between are kept."""
        self._n_sent += 1
        message = {"id": self._n_sent, "method": method, "params": params}
        message |= {"sessionId": session} if session else {}
        os.write(self._out, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + PATIENCE_S
        while (answer := self._receive(deadline)).get("id") != self._n_sent:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def wait_for(self, session, method):
        deadline = time.monotonic() + PATIENCE_S
        while not any(e.get("method") == method and e.get("sessionId") == session for e in self.events):
            self.events.append(self._receive(deadline))

    def open(self, path, width, scheme="light"):
        """Load a file in a window of this width, on a light or dark screen."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, target, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        page.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )
        page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        page.call("Page.navigate", url=path.resolve().as_uri())
        self.wait_for(session, "Page.loadEventFired")
        return page

    def close(self):
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._in)
        os.close(self._out)

    def _receive(self, deadline):
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], max(0.0, deadline - time.monotonic()))
            chunk = os.read(self._in, 2**20) if ready else b""
            if not chunk:
                pytest.fail("the browser ended" if ready else f"the browser was silent for {PATIENCE_S} s")
            self._buffer += chunk
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)


class Page:
    def __init__(self, browser, target, session):
        self.browser, self.target, self.session = browser, target, session

    def call(self, method, **params):
        return self.browser.call(method, self.session, **params)

    def ask(self, expression):
        """Value of a JavaScript expression; what it throws fails the test."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def events(self, method):
        found = (e for e in self.browser.events if e.get("sessionId") == self.session)
        return [e["params"] for e in found if e.get("method") == method]

    def complaints(self):
        """Uncaught errors, console errors and warnings, and what the browser itself logs as such."""
        console = [e for e in self.events("Runtime.consoleAPICalled") if e["type"] in ("error", "warning", "assert")]
        logged = [e for e in self.events("Log.entryAdded") if e["entry"]["level"] in ("error", "warning")]
        return self.events("Runtime.exceptionThrown") + console + logged

    def requests(self):
        return [e["request"]["url"] for e in self.events("Network.requestWillBeSent")]

    def screenshot(self):
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        return base64.b64decode(shot["data"])

    def close(self):
        self.browser.call("Target.closeTarget", targetId=self.target)


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    executable = next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        pytest.skip(f"no browser found: none of {', '.join(NAMES)} is installed")
    browser = Browser(executable, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


HOSTILE = "<script>alert(1)</script>"


class Guesser:
    """A stand-in for a deep network: the first pixel tells the class, noise makes some images hard."""

    n_steps = 4

    def __init__(self, spend=lambda joules: None):
        self.spend = spend

    def trace(self, X, y=None):
        n_classes = 3
        noise = np.random.default_rng(0).normal(0, 2, (self.n_steps, len(X), n_classes))
        truth = np.eye(n_classes)[X[:, 0, 0, 0]]
        return ScoreTrace.dense(np.cumsum(noise + 2 * truth, 0), y)

    def predict_with_exit(self, X, rule):
        trace = self.trace(X)
        self.spend(3.0)
        steps, classes = replay_exit(trace, rule)
        return ExitResult(classes, steps, trace.final_scores(), self.n_steps, 0.001 * steps.sum())

    def workload(self, X, rule=None):
        layers = [
            LayerShape(f"conv {HOSTILE}", "conv", 3, 8, kernel=(3, 3), out_height=5, out_width=5),
            LayerShape("head", "linear", 200, 3),
        ]
        histogram = self.predict_with_exit(X, rule or NeverExit()).histogram.tolist()
        return uniform_workload("guesser", layers, self.n_steps, [1.0, 0.1], histogram)


def deep_run(folder):
    """A run of a deep kind on colour images whose classes have hostile names; learned, not yet stopped."""
    run = Run.start(folder, kind="deep", settings={"data": "toys", "fit": {"epochs": 3}}, seed=1)
    run.update(
        data={"name": "toys", "shape": [3, 5, 5], "classes": [HOSTILE, "b", "c"], "n_train": 90, "n_validation": 60},
        metrics={"n_parameters": 1234},
    )
    return run


def toy_images(seed, n=60):
    rng = np.random.default_rng(seed)
    images, labels = rng.integers(0, 256, (n, 3, 5, 5), np.uint8), rng.integers(0, 3, n)
    images[:, 0, 0, 0] = labels
    return ImageSet(images, labels, (HOSTILE, "b", "c"), "toys", "test")


@pytest.fixture
def deep():
    """Functions that make a run of the deep kind, and stop it; answering 60 images may take three joules."""

    def stop(run, *spend):
        stop_early(run, Guesser(*spend), toy_images(0), toy_images(1), ExitSettings(max_drop=0.05), accumulate="sum")

    return deep_run, stop


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """A small STDP run on digits and a deep one, both stopped early and priced by the real code."""
    folder = tmp_path_factory.mktemp("demo")
    digits = load_images("digits", "all")
    train, validation, test = (digits.subset(slice(a, b)) for a, b in ((0, 300), (300, 450), (450, 600)))
    keywords = {"n_neurons": 16, "n_steps": 40, "n_epochs": 1, "random_state": 0}
    stdp = Run.start(folder / "digits-stdp16-0", kind="stdp", settings={"data": "digits", "stdp": keywords}, seed=0)
    network = learn_stdp(stdp, train, validation, keywords, lambda *_: None)
    stop_early(stdp, network, validation, test, ExitSettings(max_drop=0.02), accumulate="sum")
    price_exit(stdp, "drop-0.02", "rram-64-32nm")
    toys = deep_run(folder / "toys-deep-1")
    stop_early(toys, Guesser(), toy_images(0), toy_images(1), ExitSettings(max_drop=0.05), accumulate="sum")
    price_exit(toys, "drop-0.05", "rram-64-32nm")
    return stdp, toys


@pytest.fixture(scope="session")
def page(runs, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_page(runs, path)
    return path
