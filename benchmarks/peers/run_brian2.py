"""Brian2's Diehl & Cook network as one C++ program. Runs in Brian2's environment, not in ours.

All images are presented in one run, so everything between two images is part of the program: rates come from a timed
array, and at the start of each image the columns of the weights are summed and scaled to 78. Conductances, delays of
inhibition, thresholds and the triplet-like STDP are those of the published code; white pixels fire at 63.75 Hz.

In Brian2's favour: traces live in the neurons, not in each of the 313,600 synapses; rates are looked up once per
image; weights are summed once per image (a summed variable would be renewed in every step, at ten times the cost of
all the rest); no monitor but two counters; denormal floats are flushed.
Left out, which makes it faster too: random input delays of up to 10 ms, and showing an image again, brighter, after
fewer than five spikes. With ``rest_ms`` 0 the state is cleared between images instead of decaying for 150 ms.

Single precision and ``-ffinite-math-only`` were tried and gain nothing. Euler steps of 1 ms diverge, so 1 ms needs
exponential Euler.
"""

import hashlib
import json
import math
import resource
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

_CPU_FILE = "cpu_s.txt"
_BRIGHTNESS_HZ = 2 / 8  # per grey level

_INPUT = """rate : Hz
dx_in/dt = -x_in / (20*ms) : 1"""
_EXCITATORY = """dv/dt = (-65*mV - v + g_exc * (0*mV - v) + g_inh * (-100*mV - v)) / (100*ms) : volt (unless refractory)
dg_exc/dt = -g_exc / (1*ms) : 1
dg_inh/dt = -g_inh / (2*ms) : 1
dtheta/dt = -theta / (1e7*ms) : volt
dx_fast/dt = -x_fast / (20*ms) : 1
dx_slow/dt = -x_slow / (40*ms) : 1
w_sum : 1"""
_INHIBITORY = """dv/dt = (-60*mV - v + g_exc * (0*mV - v) + g_inh * (-85*mV - v)) / (10*ms) : volt (unless refractory)
dg_exc/dt = -g_exc / (1*ms) : 1
dg_inh/dt = -g_inh / (2*ms) : 1"""


def rates_of(images: np.ndarray, n_steps: int, rest_ms: int) -> tuple[np.ndarray, int]:
    """Rates in Hz (slots, 784) and the length of a slot in ms; the slots of a rest are zero."""
    slot = math.gcd(n_steps, rest_ms)
    per_image = (n_steps + rest_ms) // slot
    rates = np.zeros((len(images), per_image, images.shape[1]))
    rates[:, : n_steps // slot] = images[:, None] * _BRIGHTNESS_HZ
    return rates.reshape(-1, images.shape[1]), slot


def describe(request: dict, images: np.ndarray):
    """The network, its two counters and its learned weights."""
    import brian2 as b2

    b2.defaultclock.dt = request["dt_ms"] * b2.ms
    rates, slot = rates_of(images, request["n_steps"], request["rest_ms"])
    stimulus = b2.TimedArray(rates * b2.Hz, dt=slot * b2.ms)
    once = {"dt": (request["n_steps"] + request["rest_ms"]) * b2.ms}
    method, n = request["method"], request["n_neurons"]

    inputs = b2.NeuronGroup(784, _INPUT, threshold="rand() < rate*dt", reset="x_in = 1", method="exact")
    inputs.run_regularly("rate = stimulus(t, i)", dt=slot * b2.ms)
    excitatory = b2.NeuronGroup(
        n, _EXCITATORY, threshold="v > theta - 72*mV", reset="v = -65*mV; theta += 0.05*mV; x_fast = 1; x_slow = 1",
        refractory=5 * b2.ms, method=method,
    )  # fmt: skip
    inhibitory = b2.NeuronGroup(
        n, _INHIBITORY, threshold="v > -40*mV", reset="v = -45*mV", refractory=2 * b2.ms, method=method
    )
    excitatory.v, excitatory.theta, inhibitory.v = -65 * b2.mV, 20 * b2.mV, -60 * b2.mV
    if not request["rest_ms"]:
        inputs.run_regularly("x_in = 0", **once)
        excitatory.run_regularly("v = -65*mV; g_exc = 0; g_inh = 0; x_fast = 0; x_slow = 0", **once)
        inhibitory.run_regularly("v = -60*mV; g_exc = 0; g_inh = 0", **once)

    learned = b2.Synapses(
        inputs, excitatory, "w : 1",
        on_pre="g_exc_post += w; w = clip(w - 1e-4 * x_fast_post, 0, 1)",
        on_post="w = clip(w + 0.01 * x_in_pre * x_slow_post, 0, 1)",
    )  # fmt: skip
    learned.connect()
    learned.w = "0.3 * (rand() + 0.01)"
    excitatory.run_regularly("w_sum = 0", order=1, **once)
    learned.run_regularly("w_sum_post += w", order=2, **once)
    learned.run_regularly("w *= 78 / w_sum_post", order=3, **once)
    forth = b2.Synapses(excitatory, inhibitory, on_pre="g_exc_post += 10.4")
    forth.connect(j="i")
    back = b2.Synapses(inhibitory, excitatory, on_pre="g_inh_post += 17")
    back.connect(condition="i != j")
    counters = b2.SpikeMonitor(inputs, record=False), b2.SpikeMonitor(excitatory, record=False)
    network = b2.Network(inputs, excitatory, inhibitory, learned, forth, back, *counters)
    network.run(len(images) * once["dt"], namespace={"stimulus": stimulus})
    return counters, learned


def build(request: dict) -> dict:
    """Say where the program lies and what it counted in its first run; make it if nobody has."""
    images = np.load(request["images"])[: request["n"]].astype(float)
    asked = json.dumps({key: request[key] for key in sorted(request) if key not in ("images", "cache")})
    content = b"".join([Path(__file__).read_bytes(), asked.encode(), images.tobytes()])
    folder = Path(request["cache"]) / hashlib.sha256(content).hexdigest()[:16]
    note = folder / "note.json"
    if not note.exists():
        folder.mkdir(parents=True, exist_ok=True)
        note.write_text(json.dumps(compile_and_run(request, images, str(folder)) | {"folder": str(folder)}))
    return json.loads(note.read_text())


def compile_and_run(request: dict, images: np.ndarray, folder: str) -> dict:
    """Write and compile the program, run it once, and say what it counted."""
    import brian2 as b2

    b2.prefs.codegen.cpp.extra_link_args = ["-ffast-math"]
    b2.set_device("cpp_standalone", build_on_run=False, directory=folder)
    b2.seed(request["seed"])
    b2.device.insert_code("before_network_run", "const std::clock_t cpu_began = std::clock();")
    b2.device.insert_code(
        "after_network_run",
        f'std::ofstream("{_CPU_FILE}") << double(std::clock() - cpu_began) / CLOCKS_PER_SEC << std::endl;',
    )
    began = time.perf_counter()
    (inputs, excitatory), learned = describe(request, images)
    b2.device.build(directory=folder, compile=True, run=False, with_output=False)
    build_s = time.perf_counter() - began
    compile_cpu_s = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    b2.device.run(folder, with_output=False)
    sums = np.bincount(np.asarray(learned.j), np.asarray(learned.w))
    return {
        "build_s": build_s,
        "compile_cpu_s": compile_cpu_s,
        "in_spikes": int(inputs.num_spikes) / len(images),
        "out_spikes": int(excitatory.num_spikes) / len(images),
        "column_sum": [float(sums.min()), float(sums.max())],
        "versions": {name: version(name) for name in ("brian2", "numpy")},
    }


def speed(request: dict) -> dict:
    """CPU time of the simulation alone: the program stops its own clock around the run."""
    folder = Path(request["folder"])
    subprocess.run([folder / "main"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return {"cpu_s": float((folder / _CPU_FILE).read_text()), "n": request["n"]}


if __name__ == "__main__":
    REQUEST = json.loads(sys.argv[1])
    print(json.dumps(build(REQUEST) if REQUEST["task"] == "build" else speed(REQUEST)))
