"""CPU time of one training sample: our engine, in every mode, and the same integers in C.

    python benchmarks/stdp_speed.py [--neurons 100 400 1600] [--rounds 5] [--json FILE]

One pinned thread, CPU time, median of interleaved rounds, MNIST. The C program (``bound/lean_bound.c``) learns
the same bits, which is checked; it is compiled with ``cc -O3 -march=native`` if a compiler is there. First
start is a fresh process with an empty cache of compiled code.
"""

import argparse
import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from spikewise.data import load_images
from spikewise.learn import resolve_rule, spread_of
from spikewise.learn.stdp.engines import LeanEngine, Settings
from spikewise.learn.stdp.kernels import aligned
from spikewise.spikes import spike_shares

SOURCE = Path(__file__).parent / "bound" / "lean_bound.c"
N_STEPS, WARM, SEED = 350, 2000, np.uint64(7)
N_TOTAL = 60_000


def pin():
    """Use one core for this process, if the system allows to choose."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def engine(rule, n_neurons, n_bits, shares):
    """An engine that has learned from the first samples, so that its spikes are those of mid-training."""
    made = LeanEngine(resolve_rule(rule, n_neurons), Settings(shares.shape[1], n_neurons, N_STEPS, n_bits, seed=SEED))
    made.prepare(spread_of(shares))
    made.learn(shares[:WARM], range(WARM), N_TOTAL)
    return made


def pointer(values):
    """Address of an array's first element."""
    return ctypes.c_void_p(values.ctypes.data)


class Bound:
    """The C program, with an engine's state."""

    def __init__(self, program, ours):
        self.program, self.ours = program, ours
        parts = (ours._weights, ours._gain, ours._theta, ours._threshold)
        self.state = [aligned(part, part.dtype) for part in parts]

    def learn(self, shares, places, n_total):
        """Learn from samples in order, as the engine does."""
        ours, rule = self.ours, self.ours.rule
        n_bits = ours.settings.n_bits
        constants = rule.constants(n_total, ours.n_neurons, N_STEPS, n_bits, 2, ours.gain)
        neuron, (eta, rise) = ours._neuron(is_learning=True), rule.schedule(places, n_total)
        stream = ours._stream()
        n_slots = 2 ** int(np.log2(len(stream.slots)))
        weights, gain, theta, threshold = self.state
        i64, u64, f32, f64 = ctypes.c_int64, ctypes.c_uint64, ctypes.c_float, ctypes.c_double
        assert places.start == 0, "the C program numbers its streams from 0"
        self.program.learn(
            pointer(shares), i64(len(shares)), i64(ours.n_inputs), u64(int(SEED)), pointer(stream.counts),
            i64(len(stream.counts)), pointer(stream.guide), i64(n_slots), pointer(weights), pointer(gain),
            pointer(theta), pointer(threshold), i64(weights.shape[1]), i64(ours.n_neurons), pointer(eta), pointer(rise),
            f32(constants.theta_keep), f64(constants.gain), f32(neuron.v_threshold), i64(int(neuron.leak)),
            i64(int(neuron.w_inhibit)), i64(int(neuron.v_floor)), i64(int(neuron.n_refractory)), i64(n_bits),
            i64(int(rule.stops_at_first_spike)), i64(N_STEPS),
        )  # fmt: skip


def cpu_us(learner, shares, n_total=N_TOTAL):
    """CPU microseconds per sample of one call."""
    began = time.process_time()
    learner.learn(shares, range(len(shares)), n_total)
    return (time.process_time() - began) / len(shares) * 1e6


def compile_bound(folder):
    """The C program as a library; None without a compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    library = Path(folder) / "lean_bound.so"
    subprocess.run(
        [
            compiler,
            "-O3",
            "-march=native",
            "-mprefer-vector-width=512",
            "-shared",
            "-fPIC",
            SOURCE,
            "-o",
            library,
            "-lm",
        ],
        check=True,
    )
    return ctypes.CDLL(str(library))


def first_start():
    """CPU seconds of the first and the second small fit in fresh processes with an empty cache."""
    code = (
        "import time,numpy as np; began=time.process_time(); from spikewise.learn import STDPEncoder;"
        "STDPEncoder(64,n_epochs=1,random_state=0).fit_transform(np.random.default_rng(0).random((64,784)));"
        "print(time.process_time()-began)"
    )
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
        return [
            float(subprocess.run([sys.executable, "-W", "ignore", "-c", code], env=environment, check=True,
                                 capture_output=True, text=True).stdout) for _ in range(2)
        ]  # fmt: skip


def thread_pairs(shares, n_pairs, n_neurons=1600, batch_size=256):
    """Wall times in seconds of one and of two threads on equal frozen batches, in interleaved pairs."""
    settings = Settings(shares.shape[1], n_neurons, N_STEPS, 8, seed=SEED, batch_size=batch_size)
    engines = [LeanEngine(resolve_rule("lean", n_neurons), settings) for _ in range(2)]
    pairs = []
    for made in engines:
        made.prepare(spread_of(shares))
    for _ in range(n_pairs + 1):  # the first warms up
        pair = []
        for n_threads, made in enumerate(engines, start=1):
            began = time.perf_counter()
            made.learn(shares[: 4 * batch_size], range(4 * batch_size), N_TOTAL, n_threads)
            pair.append(time.perf_counter() - began)
        pairs.append(pair)
    assert np.array_equal(engines[0].weights, engines[1].weights), "threads must not change a bit"
    return pairs[1:]


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neurons", type=int, nargs="+", default=[100, 400, 1600])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--samples", type=int, default=1000, help="per round")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    all_cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    pin()
    train = load_images("mnist", "train")
    shares = spike_shares(train.images[: max(WARM, 4 * options.samples)].reshape(-1, 784))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        library = compile_bound(folder)
        for n_neurons in options.neurons:
            modes = {}
            for rule in ("lean", "first_spike"):
                for bits in (8, None):
                    modes[rule, "float32" if bits is None else "integer"] = engine(rule, n_neurons, bits, shares)
                if library:
                    modes[rule, "C"] = Bound(library, modes[rule, "integer"])
            times = {key: [] for key in modes}
            for _ in range(options.rounds):
                for (rule, kind), learner in modes.items():
                    n = options.samples if rule == "lean" else 4 * options.samples
                    times[rule, kind].append(cpu_us(learner, shares[:n]))
                    if kind == "C":
                        same = np.array_equal(learner.state[0], modes[rule, "integer"]._weights)
                        assert same, "the C program must learn the same bits"
            for (rule, kind), values in times.items():
                row = {"neurons": n_neurons, "rule": rule, "precision": kind}
                rows.append({**row, "us": median(values), "best_us": min(values)})
                words = f"N={n_neurons:<5} {rule:<12} {kind:<9}"
                print(f"{words} {median(values):7.1f} us   best {min(values):7.1f}", flush=True)
    if all_cores:
        os.sched_setaffinity(0, all_cores)
    pairs = thread_pairs(shares, options.rounds)
    best = max(one / two for one, two in pairs)
    print(f"two threads, N=1600, batch 256: best of {len(pairs)} pairs {best:.2f} x one thread; bits equal")
    cold, warm = first_start()
    print(f"first start {cold:.1f} s, second start {warm:.1f} s of CPU (64 neurons, 64 samples)")
    if options.json:
        options.json.write_text(
            json.dumps({"rows": rows, "two_threads": best, "first_start_s": cold, "second_start_s": warm}, indent=1)
        )


if __name__ == "__main__":
    main()
