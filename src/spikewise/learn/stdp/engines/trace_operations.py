"""Exact number of elementary operations of the trace rules, from counts of events.

The conventions are those of the lean rule (:mod:`~spikewise.learn.stdp.engines.lean_operations`): synapses operate at
spikes, neurons and traces at every computed step, as in the published clock-driven implementations. Four more
conventions are needed:

* A power other than 0 and 1 counts as one exponential, however it is computed.
* An update at an input spike changes the whole row of N weights, even if the trace of a neuron is zero.
* Only neurons that fired are normalised after a sample, and the adaptive threshold decays once per sample. Published
  implementations do both more often, so these counts favour the baseline.
* Inhibitory neurons count as neurons: they leak, rest and compare at every step. Their output is read from a stored
  matrix, one weight for each other neuron, unless ``lateral`` asks for one broadcast sum.
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
    """Count the operations of inference, mean per sample.

    Parameters
    ----------
    events : EventCounts
        Events of the samples.
    settings : Settings
        Sizes and precision.
    rule : TraceRule
        Decides whether there are inhibitory neurons.
    lateral : {"broadcast", "matrix"}
        Whether inhibition is one sum for all neurons, or one stored weight per pair.
    """
    n, has_neurons = settings.n_neurons, rule.inhibition == "neurons"
    steps, spikes, winners = (events.per_sample(name) * n for name in ("n_steps", "in_spikes", "out_spikes"))
    n_steps, n_draws, n_out, n_inhibitory = (
        events.per_sample(name) for name in ("n_steps", "n_draws", "out_spikes", "inhibitory_spikes")
    )
    n_events, n_others = n_draws - n_steps, (n_inhibitory if has_neurons else n_out) * (n - 1)
    # Direct inhibition changes the potentials at once: one more read and write each.
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
        # Leak, refractory period and threshold per step, an input per excitatory spike, a reset per own spike.
        counts["inhibitory neurons"] = Operations(
            weight_reads=n_out, state_reads=2 * steps, state_writes=steps + 2 * n_inhibitory,
            multiplications=steps, additions=n_out, comparisons=2 * steps,
        )  # fmt: skip
    return counts


def training_operations(
    events: EventCounts, settings: Settings, rule: TraceRule, lateral: Lateral
) -> dict[str, Operations]:
    """Count the operations of learning, mean per sample; parameters as in :func:`inference_operations`."""
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
        # Each output spike sets a flag; all flags are read at the end of a window.
        looks = n_steps / settings.n_steps * -(-settings.n_steps // rule.window) * n
        counts["update windows"] = Operations(state_reads=looks, state_writes=n_out, comparisons=looks)
    if rule.spikes_per_strength is not None:
        # Each output spike is counted and compared with the maximum so far; k and its product once per update.
        counts["adaptive potentiation"] = Operations(
            state_reads=2 * n_out, state_writes=2 * n_out, additions=n_out, comparisons=n_out,
            multiplications=2 * n_updates,
        )  # fmt: skip
    return counts


def _update(cells: float, settings: Settings, rule: TraceRule) -> Operations:
    """Return the operations of changing weights by a rate, a trace and a power of the weight."""
    return _rounded(cells, settings) + Operations(
        weight_reads=cells, weight_writes=cells, state_reads=cells, additions=cells,
        multiplications=2 * cells if rule.mu else cells, exponentials=cells if rule.mu not in (0, 1) else 0,
    )  # fmt: skip


def _rounded(cells: float, settings: Settings) -> Operations:
    """Return the operations of clipping and rounding weights."""
    drawn = cells if settings.n_bits is not None and settings.rounding == "stochastic" else 0
    return Operations(comparisons=2 * cells, additions=drawn, random_numbers=drawn)
