"""Elementary operations of the rules of traces, exactly, from counted events.

The conventions are those of the lean rule (:mod:`~spikewise.learn.stdp.engines.lean_operations`): synapses work at
spikes, neurons and traces at every computed step, as in the published clock-driven implementations. Four more are
needed:

* A power other than 0 and 1 is one exponential, however it is computed.
* An update at an input spike reaches the whole row of N weights, also where the trace of a neuron is zero.
* Only neurons that fired are normalised after a sample, and the adaptive threshold decays once per sample. Published
  implementations do both more often, so the baseline is not made to look worse than it needs to be.
* Inhibitory neurons are neurons: they leak, rest and compare at every step. What they send is read from a stored
  matrix, one weight for each other neuron, unless the question is what one broadcast sum would cost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spikewise.learn.stdp.counters import EventCounts
from spikewise.learn.stdp.rules.trace import TraceRule
from spikewise.workload.operations import Operations

if TYPE_CHECKING:
    from .base import Lateral, Settings


def inference_operations(
    events: EventCounts, settings: Settings, rule: TraceRule, lateral: Lateral
) -> dict[str, Operations]:
    """Operations of answering, mean per sample.

    Parameters
    ----------
    events : EventCounts
        Events of the samples.
    settings : Settings
        Sizes and precision.
    rule : TraceRule
        Decides whether there are inhibitory neurons.
    lateral : {"broadcast", "matrix"}
        Whether inhibition is one sum for all neurons or reads a stored weight per pair.
    """
    n, has_neurons = settings.n_neurons, rule.inhibition == "neurons"
    steps, spikes, winners = (events.per_sample(name) * n for name in ("n_steps", "in_spikes", "out_spikes"))
    n_steps, n_draws, n_out, n_inhibitory = (
        events.per_sample(name) for name in ("n_steps", "n_draws", "out_spikes", "inhibitory_spikes")
    )
    n_events, n_others = n_draws - n_steps, (n_inhibitory if has_neurons else n_out) * (n - 1)
    # Without a layer of their own, the potentials are pushed down at once, so they are read and written once more.
    pushed = 0 if has_neurons else n_others
    counts = {
        "encoding": Operations(
            random_numbers=n_draws, comparisons=n_events, state_reads=n_events, state_writes=n_events
        ),
        "integration": Operations(weight_reads=spikes, additions=spikes),
        "leak": Operations(state_reads=steps, state_writes=steps, multiplications=steps, additions=steps),
        "refractory period": Operations(state_reads=steps, comparisons=steps),
        "threshold": Operations(state_reads=steps, comparisons=steps),
        "competition": Operations(
            state_reads=2 * winners, additions=winners, comparisons=winners, state_writes=2 * n_out
        ),
        "inhibition": Operations(
            weight_reads=n_others if lateral == "matrix" else 0, additions=n_others, state_reads=pushed,
            state_writes=pushed,
        ),
    }  # fmt: skip
    if has_neurons:
        # Per step leak, refractory period and threshold; per excitatory spike one input; per own spike a reset.
        counts["inhibitory neurons"] = Operations(
            weight_reads=n_out, state_reads=2 * steps, state_writes=steps + 2 * n_inhibitory,
            multiplications=steps, additions=n_out, comparisons=2 * steps,
        )  # fmt: skip
    return counts


def training_operations(
    events: EventCounts, settings: Settings, rule: TraceRule, lateral: Lateral
) -> dict[str, Operations]:
    """Operations of learning from one sample, mean per sample; parameters as in :func:`inference_operations`."""
    n, n_inputs = settings.n_neurons, settings.n_inputs
    n_steps, n_in, n_out, n_updates = (
        events.per_sample(name) for name in ("n_steps", "in_spikes", "out_spikes", "n_updates")
    )
    column_cells, rescaled = (events.per_sample(name) * n_inputs for name in ("n_potentiations", "n_normalisations"))
    row_cells = events.per_sample("n_depressions") * n
    n_traces, trace_spikes = (n_inputs + n, n_in + n_out) if rule.nu_pre > 0 else (n_inputs, n_in)
    decays = n_steps * n_traces
    counts = {
        **inference_operations(events, settings, rule, lateral),
        "threshold adaptation": Operations(
            state_reads=n_out + n, state_writes=2 * n_out + 2 * n, additions=2 * n_out + n, multiplications=n
        ),
        "trace decay": Operations(state_reads=decays, state_writes=decays + trace_spikes, multiplications=decays),
        "post-triggered update": _update(column_cells, settings, rule) + Operations(
            additions=column_cells if rule.mu else 0  # the distance from the highest weight
        ),
        "normalisation": _rounded(rescaled, settings) + Operations(
            weight_reads=2 * rescaled, weight_writes=rescaled, additions=rescaled,
            multiplications=rescaled + events.per_sample("n_normalisations"),
        ),
    }  # fmt: skip
    if rule.nu_pre > 0:
        counts["pre-triggered update"] = _update(row_cells, settings, rule)
    if rule.updates == "window":
        # A flag per output spike; all flags are looked at when a window ends.
        looks = n_steps / settings.n_steps * -(-settings.n_steps // rule.window) * n
        counts["update windows"] = Operations(state_reads=looks, state_writes=n_out, comparisons=looks)
    if rule.spikes_per_strength is not None:
        # Each output spike is counted and compared with the most so far; k and its product once per update.
        counts["adaptive potentiation"] = Operations(
            state_reads=2 * n_out, state_writes=2 * n_out, additions=n_out, comparisons=n_out,
            multiplications=2 * n_updates,
        )  # fmt: skip
    return counts


def _update(cells: float, settings: Settings, rule: TraceRule) -> Operations:
    """Read, change and write so many weights by a rate, a trace and a power of the weight."""
    return _rounded(cells, settings) + Operations(
        weight_reads=cells, weight_writes=cells, state_reads=cells, additions=cells,
        multiplications=2 * cells if rule.mu else cells, exponentials=cells if rule.mu not in (0, 1) else 0,
    )  # fmt: skip


def _rounded(cells: float, settings: Settings) -> Operations:
    """Keep so many weights between their limits and on their grid."""
    drawn = cells if settings.n_bits is not None and settings.rounding == "stochastic" else 0
    return Operations(comparisons=2 * cells, additions=drawn, random_numbers=drawn)
