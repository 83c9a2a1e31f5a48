r"""Pair-trace plasticity: the published baseline ``diehl_cook``, and ``fspinn``, which makes it cheaper.

The network is that of the lean rule, one layer of competing neurons; here the weights themselves are normalised.
Every input that fires leaves a trace :math:`x_i`, every output spike a trace :math:`x_j`; a spike sets it to 1, and it
decays with a time constant of 20 steps. With :math:`w_m` the highest weight,

.. math:: \Delta w_{ij} = -\eta_{pre}\, x_j\, w_{ij}^{\mu} \text{ when input } i \text{ fires}, \qquad
          \Delta w_{ij} = k\, \eta_{post}\, x_i\, (w_m - w_{ij})^{\mu} \text{ when neuron } j \text{ fires},

and after each sample the weights of the neurons that fired are scaled to a fixed sum (the others have not changed).
Times are in steps of 1 ms, potentials in mV above rest.

The baseline follows Diehl and Cook [1]_ in the form in which BindsNET [2]_ made it common: currents instead of
conductances, a layer of inhibitory neurons, at most one excitatory spike per step. FSpiNN [3]_ drops the inhibitory
layer, the updates at input spikes and the power of the weight, updates once per window of time, and strengthens updates
by :math:`k = \lceil n_{max} / n_{th} \rceil`, with :math:`n_{max}` the spikes so far of the busiest neuron.

References
----------
.. [1] Diehl and Cook, "Unsupervised learning of digit recognition using spike-timing-dependent plasticity", 2015.
.. [2] Hazan et al., "BindsNET", 2018.
.. [3] Putra and Shafique, "FSpiNN", arXiv 2007.08860.
"""

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, get_args

import numpy as np

from spikewise._arguments import checks_arguments
from spikewise.errors import ParameterError, positive_number, unknown_name, whole_number

from .lean import MOST_EVENTS, CompetingNeurons, check_neurons

Inhibition = Literal["neurons", "direct"]
Updates = Literal["spike", "window"]

POWERS = (0.0, 0.25, 0.5, 1.0)
"""Exponents that square roots can compute: their bits do not depend on the math library of a machine."""

# BindsNET's inhibitory neurons, in mV above rest and ms: one excitatory spike (22.5) always makes its partner fire
# (20), whose refractory period (2) is over before the excitatory neuron's. So the kernels need not simulate them.
INHIBITORY_EXCITATION, INHIBITORY_THRESHOLD, INHIBITORY_TAU, INHIBITORY_REFRACTORY = 22.5, 20.0, 10.0, 2

TUNED_NEURONS = CompetingNeurons(v_threshold=13.0, w_inhibit_learning=100.0, w_inhibit=100.0)
"""BindsNET's excitatory neurons; inhibition of 17.5 (its default) to 300 mV was tried, and 100 learned best."""


class TraceNeuronConstants(NamedTuple):
    """Constants of the neurons for a kernel; a tuple so that it compiles. Potentials in mV."""

    decay: np.float32
    v_threshold: np.float32
    w_inhibit: np.float32
    n_refractory: np.int64
    is_delayed: np.bool_


class TraceConstants(NamedTuple):
    """Constants of the plasticity for a kernel."""

    nu_pre: np.float32
    nu_post: np.float32
    mu: np.float32
    spikes_per_strength: np.int64  # 0: k is 1
    window: np.int64  # 0: updates at every output spike
    theta_plus: np.float32
    theta_keep: np.float32
    norm: np.float64
    n_levels: np.float32  # of a weight; 0: floats
    w_max: np.float32
    rounding: np.int64


@dataclass(frozen=True, slots=True)
class TraceRule:
    """Constants of the neurons and of plasticity by spike traces; learning rates are constant.

    Parameters
    ----------
    nu_post, nu_pre : float
        Learning rates at output spikes and at input spikes, in [0, 1].
    theta_plus : float
        Rise of the adaptive threshold per spike, in mV.
    mu : {0, 0.25, 0.5, 1}
        Exponent of the weight dependence; 0 is none.
    updates : {"spike", "window"}
        Potentiate at every output spike, or once per window all neurons that fired in it.
    window : int
        Steps of a window.
    spikes_per_strength : int, optional
        Normaliser of the adaptive potentiation factor k; None keeps k at 1.
    inhibition : {"neurons", "direct"}
        Through a layer of N inhibitory neurons, with the currents of the next step; or at once from one sum.
    neurons : CompetingNeurons
        Potentials, refractory period and strength of inhibition.
    tau_trace : float
        Time constant of the traces in steps.
    norm : float
        Sum of a neuron's weights, for samples as sparse as handwritten digits; it is scaled for other data.
    tau_theta, n_rest : float and int
        Time constant of the adaptive threshold in steps, and steps between two samples during which it decays.
    events_per_step : float
        Poisson events of a whole sample per step, at most 16.

    Examples
    --------
    >>> TraceRule(nu_post=0.01, theta_plus=0.5).inhibition
    'neurons'
    """

    nu_post: float
    theta_plus: float
    nu_pre: float = 0.0
    mu: float = 0.0
    updates: Updates = "spike"
    window: int = 50
    spikes_per_strength: int | None = None
    inhibition: Inhibition = "neurons"
    neurons: CompetingNeurons = TUNED_NEURONS
    tau_trace: float = 20.0
    norm: float = 78.4
    tau_theta: float = 1e7
    n_rest: int = 150
    events_per_step: float = 6.5

    def __post_init__(self) -> None:
        for name in ("nu_post", "nu_pre"):
            positive_number(name, getattr(self, name), 1, zero=True)
        for name in ("theta_plus", "tau_trace", "norm", "tau_theta"):
            positive_number(name, getattr(self, name), np.inf)
        positive_number("events_per_step", self.events_per_step, MOST_EVENTS)
        check_neurons(self.neurons)
        if not isinstance(self.mu, (int, float)) or self.mu not in POWERS:
            raise ParameterError(f"mu must be one of {', '.join(f'{mu:g}' for mu in POWERS)}; got {self.mu}.")
        if self.updates not in get_args(Updates):
            raise unknown_name("updates", self.updates, get_args(Updates))
        if self.inhibition not in get_args(Inhibition):
            raise unknown_name("inhibition", self.inhibition, get_args(Inhibition))
        whole_number("window", self.window, 1)
        whole_number("n_rest", self.n_rest, 0)
        if self.spikes_per_strength is not None:
            whole_number("spikes_per_strength", self.spikes_per_strength, 1)
        if self.inhibition == "neurons" and self.neurons.n_refractory < INHIBITORY_REFRACTORY:
            raise ParameterError(
                f"n_refractory must be at least {INHIBITORY_REFRACTORY}, that of the inhibitory neurons; got "
                f"{self.neurons.n_refractory}. Use inhibition='direct' for shorter ones."
            )

    def neuron_constants(self, w_inhibit: float) -> TraceNeuronConstants:
        """Return the constants of the neurons for the kernel, with an inhibition in mV."""
        neurons = self.neurons
        return TraceNeuronConstants(
            decay=np.float32(np.exp(-1.0 / neurons.tau_mem)),
            v_threshold=np.float32(neurons.v_threshold),
            w_inhibit=np.float32(w_inhibit),
            n_refractory=np.int64(neurons.n_refractory),
            is_delayed=np.bool_(self.inhibition == "neurons"),
        )

    def constants(self, n_steps: int, n_bits: int | None, rounding: int, norm: float) -> TraceConstants:
        """Return the constants of the plasticity for the kernel; ``norm`` is already scaled to the data."""
        n_levels = 0 if n_bits is None else 2**n_bits
        return TraceConstants(
            nu_pre=np.float32(self.nu_pre),
            nu_post=np.float32(self.nu_post),
            mu=np.float32(self.mu),
            spikes_per_strength=np.int64(self.spikes_per_strength or 0),
            window=np.int64(self.window if self.updates == "window" else 0),
            theta_plus=np.float32(self.theta_plus),
            # The rest between two samples is not simulated; only its decay is applied.
            theta_keep=np.float32(np.exp(-(n_steps + self.n_rest) / self.tau_theta)),
            norm=np.float64(norm),
            n_levels=np.float32(n_levels),
            w_max=np.float32(1 - 1 / n_levels if n_levels else 1),
            rounding=np.int64(rounding),
        )

    def trace_after(self, n_steps: int) -> np.ndarray:
        """Return the trace (n_steps + 1,) after 0, 1, ... steps, with the rounding of repeated decay."""
        factors = np.full(n_steps + 1, np.exp(-1.0 / self.tau_trace), np.float32)
        factors[0] = 1
        return np.multiply.accumulate(factors)


@checks_arguments
def diehl_cook_defaults(n_neurons: int) -> TraceRule:
    """Return the baseline for a network of this size: inhibitory neurons, updates at every spike, weight dependence.

    Time constants, thresholds, the sum of weights and the rate at input spikes are those of BindsNET. The rate at
    output spikes, the rise of thresholds, inhibition and the exponent were tuned on validation images. A larger network
    spreads the same spikes over more neurons, so each threshold has to rise faster.

    Parameters
    ----------
    n_neurons : int
        Neurons N.

    Examples
    --------
    >>> rule = diehl_cook_defaults(400)
    >>> rule.inhibition, rule.updates, rule.spikes_per_strength
    ('neurons', 'spike', None)
    """
    whole_number("n_neurons", n_neurons, 1)
    return TraceRule(nu_post=0.02, nu_pre=1e-4, theta_plus=0.5 * n_neurons / 400, mu=1.0)


@checks_arguments
def fspinn_defaults(
    n_neurons: int,
    *,
    direct_inhibition: bool = True,
    timestep_updates: bool = True,
    simple_rule: bool = True,
    adaptive_potentiation: bool = True,
    effective_inhibition: bool = True,
) -> TraceRule:
    """Return the baseline with the techniques of FSpiNN, each of which can be switched off.

    This is a *reconstruction*: the paper's abstract names the techniques, but its equations, settings and accuracies
    could not be checked. The constants were tuned on validation images, like those of the baseline. Fixed point, the
    remaining technique, is ``n_bits`` of the estimator.

    Parameters
    ----------
    n_neurons : int
        Neurons N.
    direct_inhibition : bool
        Inhibit at once from one sum, without a layer of inhibitory neurons.
    timestep_updates : bool
        Update once per window instead of at every output spike.
    simple_rule : bool
        Drop the updates at input spikes and the power of the weight.
    adaptive_potentiation : bool
        Strengthen updates by k, which grows with the spikes of the busiest neuron.
    effective_inhibition : bool
        Use the strength of inhibition that was best with these techniques, not with the baseline.

    Examples
    --------
    >>> fspinn_defaults(400).updates, fspinn_defaults(400, timestep_updates=False).updates
    ('window', 'spike')
    """
    rule = diehl_cook_defaults(n_neurons)
    if direct_inhibition:
        rule = replace(rule, inhibition="direct")
    if timestep_updates:
        rule = replace(rule, updates="window", window=100)
    if simple_rule:
        rule = replace(rule, nu_pre=0.0, mu=0.0)
    if adaptive_potentiation:
        rule = replace(rule, spikes_per_strength=4)
    if effective_inhibition:
        rule = replace(rule, neurons=replace(rule.neurons, w_inhibit_learning=130.0, w_inhibit=130.0))
    return rule
