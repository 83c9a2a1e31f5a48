"""Inference without learning, which stops as soon as the exit rule is satisfied."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikewise._compile import inlined, kernel
from spikewise.learn.stdp.counters import EVENT, count_sample
from spikewise.learn.stdp.rules.lean import NeuronConstants
from spikewise.spikes.streams import SpikeStream, begin

from .neurons import Layer, draw_ahead, fire, run_until_spike, start

NEVER, ENTROPY, CONFIDENCE, MARGIN = 0, 1, 2, 3


class ExitConstants(NamedTuple):
    """Constants of an exit rule for a kernel."""

    kind: int  # of uncertainty
    is_mean: bool  # whether the evidence is the mean of the scores over the steps, or their sum
    sharpness: float  # factor on the evidence: the inverse temperature
    bound: float  # on uncertainty


class Sheet(NamedTuple):
    """Memory for the answers to B samples over T steps, with K classes; a tuple so that it compiles."""

    neuron: NDArray[np.int32]  # (B, T), output spikes in order: which neuron fired,
    step: NDArray[np.int32]  # and when
    n_fired: NDArray[np.int64]  # (B,), output spikes
    exit_step: NDArray[np.int32]  # (B,), steps that were computed
    score: NDArray[np.float64]  # (B, K), summed evidence of the output spikes
    in_spikes: NDArray[np.int64]  # (T,), of all samples that still run
    out_spikes: NDArray[np.int64]


def new_sheet(n_samples: int, n_steps: int, n_classes: int) -> Sheet:
    """Allocate the memory in which a compiled loop writes its answers."""
    neuron, step = (np.empty((n_samples, n_steps), np.int32) for _ in range(2))
    in_spikes, out_spikes = (np.zeros(n_steps, np.int64) for _ in range(2))
    return Sheet(
        neuron, step, np.empty(n_samples, np.int64), np.empty(n_samples, np.int32), np.empty((n_samples, n_classes)),
        in_spikes, out_spikes,
    )  # fmt: skip


@inlined
def note_spike(sheet: Sheet, sample: int, n_out: int, winner: int, step: int, evidence: NDArray[np.float64]) -> None:
    """Record output spike ``n_out`` of a sample, and add its evidence (K, N) to the scores."""
    sheet.neuron[sample, n_out] = winner
    sheet.step[sample, n_out] = step
    sheet.out_spikes[step - 1] += 1
    for k in range(evidence.shape[0]):
        sheet.score[sample, k] += evidence[k, winner]


NEVER_EXIT = ExitConstants(NEVER, False, 1.0, 0.0)


@kernel
def uncertainty_of(score: NDArray[np.float64], sample: int, scale: float, kind: int) -> float:
    """Return the uncertainty of scale * score of a sample, in [0, 1], as defined in dynamic.uncertainty."""
    n_classes = score.shape[1]
    best = 0
    for k in range(1, n_classes):
        if score[sample, k] > score[sample, best]:
            best = k
    others = weighted = 0.0
    nearest = -np.inf
    for k in range(n_classes):
        if k != best:
            below = scale * score[sample, k] - scale * score[sample, best]
            weight = np.exp(below)
            others += weight
            weighted += weight * below
            nearest = max(nearest, below)
    if kind == CONFIDENCE:
        return float(others / (1.0 + others))
    if kind == MARGIN:
        return float(np.exp(nearest))
    total = 1.0 + others
    return float(min(1.0, max(0.0, (np.log(total) - weighted / total) / np.log(n_classes))))


@kernel
def must_stop(score: NDArray[np.float64], sample: int, n_steps: int, leaves: ExitConstants) -> bool:
    """Whether a sample may stop after this many steps.

    It is enough to ask at the first step and after every output spike: between spikes the uncertainty of a sum is
    constant, and that of a mean can only rise.
    """
    if leaves.kind == NEVER:
        return False
    scale = leaves.sharpness / n_steps if leaves.is_mean else leaves.sharpness
    return bool(uncertainty_of(score, sample, scale, leaves.kind) < leaves.bound)


@kernel
def respond(
    shares: NDArray[np.uint16],
    keys: NDArray[np.uint64],
    stream: SpikeStream,
    layer: Layer,
    neuron: NeuronConstants,
    evidence: NDArray[np.float64],
    leaves: ExitConstants,
    sheet: Sheet,
) -> NDArray[np.int64]:
    """Run samples without learning, and stop each as soon as the exit rule is satisfied.

    Fills the sheet; scores are the summed evidence (K, N) of the output spikes. Returns events by ``EVENT``.
    """
    score, exit_step, in_spikes, n_steps = sheet.score, sheet.exit_step, sheet.in_spikes, sheet.step.shape[1]
    events = np.zeros(len(EVENT), np.int64)
    for sample in range(shares.shape[0]):
        start(layer)
        score[sample] = 0.0
        exit_step[sample] = n_steps
        n_out = step = drawn_to = winner = 0
        if n_steps > 1 and must_stop(score, sample, 1, leaves):
            exit_step[sample] = 1  # even without evidence; the first step is computed nonetheless
        last = exit_step[sample]
        is_active = begin(stream, shares, sample)
        if is_active:
            while step < last:
                if step == drawn_to:
                    drawn_to = draw_ahead(stream, keys[sample], step, last, leaves.kind == NEVER and n_out > 0)
                step, low, high = run_until_spike(layer, stream, step, drawn_to, neuron, winner)
                if low < high:
                    winner = fire(layer, step, neuron, low, high)
                    note_spike(sheet, sample, n_out, winner, step, evidence)
                    n_out += 1
                    if step < last and must_stop(score, sample, step, leaves):
                        exit_step[sample] = step
                        break
            for t in range(step):
                in_spikes[t] += stream.ends[t + 1] - stream.ends[t]
        sheet.n_fired[sample] = n_out
        count_sample(events, stream, is_active, exit_step[sample], n_out)
    return events
