r"""The lean rule: this project's own, and the default.

The network is one layer: every input reaches every one of N leaky integrate-and-fire neurons, which
compete by lateral inhibition (at most one fires per step) and adapt their thresholds so that all of them
learn. Times are in steps of 1 ms, potentials in mV above rest. There is one update per sample, only for the
neurons that fired,

.. math:: w_{ij} \leftarrow w_{ij} + k_j \, \eta \, (x_i - w_{ij}), \qquad
          k_j = \lceil n_j / 4 \rceil, \qquad x_i = \min(1, 20\,\mathrm{ms} \cdot r_i)

with :math:`n_j` the spikes of the neuron and :math:`r_i` the rate of the input in this sample. Instead
of rescaling columns, each neuron carries a gain :math:`g_j = g / \lVert w_j \rVert_2`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikewise._arguments import checks_arguments
from spikewise.errors import ParameterError, positive_number, whole_number

LEVELS_PER_MV = 64
"""Levels of the membrane potential per millivolt; 16 bits reach from -512 to 512 mV."""

LOWEST_LEVEL = -(2**15)

MOST_EVENTS = 16
"""Poisson events per step, at most: more than 32 inputs, the limit of a step, then are one in 10,000 steps."""


class NeuronConstants(NamedTuple):
    """Constants of the neurons for a kernel; a tuple so that it compiles. Potentials in levels."""

    decay: np.float32  # of a float potential, per step
    leak: np.int16  # share of an integer potential that leaks per step, in 1/65536
    v_threshold: np.float32  # in mV
    w_inhibit: np.int64
    v_floor: np.int64
    n_refractory: np.int64


class RuleConstants(NamedTuple):
    """Constants of the rule for a kernel."""

    gain: np.float64
    theta_keep: np.float32
    n_bits: np.int64
    rounding: np.int64
    window: np.int64
    stops_at_first_spike: np.bool_
    n_unpadded: np.int64  # neurons, without padding


class Schedule(NamedTuple):
    """Learning rate and threshold rise (in mV) of each sample."""

    eta: NDArray[np.float32]
    theta_plus: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class CompetingNeurons:
    """Leaky integrate-and-fire neurons that inhibit each other.

    Parameters
    ----------
    tau_mem : float
        Membrane time constant in steps; the decay per step is ``exp(-1 / tau_mem)``.
    v_threshold : float
        Base threshold in mV above rest; the adaptive part comes on top. A neuron that fires returns to rest.
    n_refractory : int
        Steps during which a neuron that fired stays at rest.
    w_inhibit_learning : float
        By how much, in mV, a spike lowers all other potentials while learning: more than the threshold, so that the
        first neuron to fire keeps the whole sample.
    w_inhibit : float, optional
        The same in inference; by default 1.08 times the mean threshold after learning, so that other neurons can fire
        too.
    threshold_share : float
        Share of its learned threshold at which a neuron fires in inference, in (0, 1]: spikes come earlier, and their
        larger number compensates for the lower evidence of each.
    """

    tau_mem: float = 100.0
    v_threshold: float = 30.0
    n_refractory: int = 5
    w_inhibit_learning: float = 300.0
    w_inhibit: float | None = None
    threshold_share: float = 0.75

    def __post_init__(self) -> None:
        highest = (2**15 - 1) // LEVELS_PER_MV
        positive_number("v_threshold", self.v_threshold, highest)
        positive_number("w_inhibit_learning", self.w_inhibit_learning, highest)
        if self.w_inhibit is not None:
            positive_number("w_inhibit", self.w_inhibit, highest, zero=True)
        positive_number("threshold_share", self.threshold_share, 1)
        if positive_number("tau_mem", self.tau_mem, 1e9) < 2:  # a larger leak per step does not fit into 16 bits
            raise ParameterError(f"tau_mem must be at least 2 steps; got {self.tau_mem}.")
        whole_number("n_refractory", self.n_refractory, 0, 2000)  # steps are counted in 16 bits

    def constants(self, w_inhibit: float) -> NeuronConstants:
        """Return the constants for the kernel, with an inhibition in mV."""
        decay = np.exp(-1.0 / self.tau_mem)
        return NeuronConstants(
            decay=np.float32(decay),
            leak=np.int16(np.rint((1 - decay) * 65536)),
            v_threshold=np.float32(self.v_threshold),
            w_inhibit=np.int64(w_inhibit * LEVELS_PER_MV),
            v_floor=np.int64(max(-2 * w_inhibit * LEVELS_PER_MV, LOWEST_LEVEL)),
            n_refractory=np.int64(self.n_refractory),
        )


def check_neurons(neurons: object) -> None:
    """Raise ParameterError if ``neurons`` is not a CompetingNeurons."""
    if not isinstance(neurons, CompetingNeurons):
        raise ParameterError(f"neurons must be a CompetingNeurons; got {neurons!r}.")


@dataclass(frozen=True, slots=True)
class LeanRule:
    """Constants of the lean rule; schedules change geometrically from first to last value over all samples.

    Parameters
    ----------
    eta : tuple of float
        Learning rate at the first and the last sample, in (0, 1].
    theta_plus : tuple of float
        Rise of the adaptive threshold per spike, in mV, for 60,000 samples; fewer samples rise in larger steps.
    theta_decays : float
        The adaptive threshold decays by a factor ``exp(-theta_decays)`` over all of learning.
    gain : float
        Norm of a neuron's input gain, for samples as sparse as handwritten digits; it is scaled for other data.
    events_per_step : float
        Poisson events of a whole sample per step, at most 16; an input that is drawn twice in a step spikes once, and
        at most 32 inputs spike in one.
    window : int, optional
        Steps between two updates; by default there is one, at the end of the sample.
    stops_at_first_spike : bool
        End a sample with its first output spike: learning is several times faster.
    neurons : CompetingNeurons
        Potentials, refractory period and inhibition.
    """

    eta: tuple[float, float]
    theta_plus: tuple[float, float]
    theta_decays: float = 3.0
    gain: float = 6.0
    events_per_step: float = 6.5
    window: int | None = None
    stops_at_first_spike: bool = False
    neurons: CompetingNeurons = CompetingNeurons()

    def __post_init__(self) -> None:
        for name, pair, highest in (("eta", self.eta, 1.0), ("theta_plus", self.theta_plus, 512.0)):
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise ParameterError(f"{name} must be a first and a last value in (0, {highest:g}]; got {pair!r}.")
            object.__setattr__(self, name, tuple(positive_number(name, value, highest) for value in pair))
        positive_number("theta_decays", self.theta_decays, 1000)
        positive_number("gain", self.gain, 1000)
        positive_number("events_per_step", self.events_per_step, MOST_EVENTS)
        if self.window is not None:
            object.__setattr__(self, "window", whole_number("window", self.window, 1))
        check_neurons(self.neurons)

    def schedule(self, places: range, n_total: int) -> Schedule:
        """Return learning rate and threshold rise of these samples of ``n_total``; later ones have the last values."""
        progress = np.minimum(np.arange(places.start, places.stop) / max(n_total - 1, 1), 1.0)
        eta = self.eta[0] * (self.eta[1] / self.eta[0]) ** progress
        rise = self.theta_plus[0] * (self.theta_plus[1] / self.theta_plus[0]) ** progress
        return Schedule(eta.astype(np.float32), (rise * (60_000 / n_total)).astype(np.float32))

    def constants(
        self, n_total: int, n_neurons: int, n_steps: int, n_bits: int, rounding: int, gain: float
    ) -> RuleConstants:
        """Return the constants for the kernel, for ``n_total`` presentations."""
        return RuleConstants(
            gain=np.float64(gain),
            theta_keep=np.float32(np.exp(-self.theta_decays / n_total)),
            n_bits=np.int64(n_bits),
            rounding=np.int64(rounding),
            window=np.int64(self.window or n_steps),
            stops_at_first_spike=np.bool_(self.stops_at_first_spike),
            n_unpadded=np.int64(n_neurons),
        )


_FIRST_SPIKE_RISE = 6.0  # such a sample has one output spike, not four or five, so thresholds rise faster


@checks_arguments
def lean_defaults(n_neurons: int, *, first_spike: bool = False) -> LeanRule:
    """Return the lean rule with schedules for a network of this size.

    Larger networks spread the same spikes over more neurons, so each threshold has to rise faster.

    Parameters
    ----------
    n_neurons : int
        Neurons N.
    first_spike : bool
        End a sample with its first output spike, and raise thresholds in larger steps.

    Examples
    --------
    >>> lean_defaults(100).theta_plus, lean_defaults(1600).gain
    ((0.25, 0.03), 8.0)
    """
    if n_neurons < 1:
        raise ParameterError(f"n_neurons must be at least 1; got {n_neurons}.")
    last = n_neurons * 3e-4 if n_neurons <= 200 else n_neurons / 4000
    factor = _FIRST_SPIKE_RISE if first_spike else 1.0
    rise = (factor * n_neurons / 400, factor * last)
    rule = LeanRule(eta=(0.5, 0.003), theta_plus=rise, events_per_step=8.0, stops_at_first_spike=first_spike)
    if n_neurons <= 200:
        return rule
    if n_neurons <= 800:
        if first_spike:
            return replace(rule, eta=(0.5, 0.01))
        return replace(rule, eta=(0.3, 0.01), events_per_step=6.5)
    return replace(rule, eta=(0.5, 0.02 if n_neurons <= 3200 else 0.05), gain=8.0)


def drive_scale(spread: float) -> float:
    """Return the factor on the gain with which samples of this spread drive the neurons like handwritten digits.

    Below 1 it equals :func:`spread_of`. Samples with more active inputs overlap more, so more evidence is needed to
    distinguish them, and the factor grows only with the fourth root.

    Examples
    --------
    >>> dense, sparse = np.full((2, 400), 9, np.uint16), np.full((2, 16), 9, np.uint16)
    >>> round(drive_scale(spread_of(dense)), 3), round(drive_scale(spread_of(sparse)), 3)
    (1.169, 0.374)
    """
    return spread if spread < 1 else float(spread**0.25)


_USUAL_SPREAD = 10.7  # mean of sqrt(n_eff) of MNIST, with which the schedules were found


def spread_of(shares: Iterable[NDArray[np.uint16]]) -> float:
    """Return the number of active inputs of a sample, relative to MNIST, as the mean of its square root.

    A neuron whose weights match a sample x receives, per event, its gain times ||x||_2 / ||x||_1, that is gain /
    sqrt(n_eff) with n_eff = (sum x)^2 / sum x^2. Scaling the gain with sqrt(n_eff) makes small and large,
    sparse and dense images drive the neurons equally.

    Parameters
    ----------
    shares : uint16 array of shape (B, n_inputs), or any iterable of arrays of rows
        From :func:`~spikewise.spikes.streams.spike_shares`.

    Examples
    --------
    >>> round(spread_of(np.full((2, 400), 9, np.uint16)), 3)
    1.869
    """
    spreads = []
    for part in shares:  # a few rows at a time: no second copy of the data in 64 bits
        wide = np.atleast_2d(part).astype(np.float64)  # holds these sums of whole numbers exactly
        total, squares = wide.sum(1), np.einsum("ij,ij->i", wide, wide)
        spreads.append((total / np.sqrt(np.maximum(squares, 1)))[squares > 0])
    found = np.concatenate(spreads)
    return float(np.mean(found)) / _USUAL_SPREAD if len(found) else 1.0
