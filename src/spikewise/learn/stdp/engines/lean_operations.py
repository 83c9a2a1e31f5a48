"""Exact number of elementary operations of the lean rule, from counts of events.

The conventions are the same for every rule. A *weight* is a synapse from an input (or between two neurons, if
inhibition is stored), a *state* any variable that a neuron or an input keeps from step to step; each is read and
written once per use. Synapses operate at spikes, neurons at every computed step. A subtraction counts as an addition, a
division or a root as a multiplication, a minimum or maximum as a comparison; shifts and rounding are wiring. Addresses
and loop counters cost nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spikewise.learn.stdp.counters import EventCounts
from spikewise.learn.stdp.rules.lean import LeanRule
from spikewise.workload.operations import Operations

if TYPE_CHECKING:
    from .base import Lateral, Settings


def inference_operations(
    events: EventCounts, settings: Settings, rule: LeanRule, lateral: Lateral
) -> dict[str, Operations]:
    """Count the operations of inference, mean per sample.

    Parameters
    ----------
    events : EventCounts
        Events of the samples.
    settings : Settings
        Sizes and precision.
    rule : LeanRule
        Not used; all counts have the same arguments.
    lateral : {"broadcast", "matrix"}
        Whether inhibition is one sum for all neurons, or one stored weight per pair.
    """
    n = settings.n_neurons
    steps, spikes, winners = (events.per_sample(name) * n for name in ("n_steps", "in_spikes", "out_spikes"))
    n_steps, n_draws, n_out = (events.per_sample(name) for name in ("n_steps", "n_draws", "out_spikes"))
    n_events, n_others = n_draws - n_steps, n_out * (n - 1)
    leaks = 2 if settings.n_bits else 1  # integers subtract what leaks; floats multiply by what stays
    return {
        # One draw per step for the number of events, one per event for its input; an input fires once per step.
        "encoding": Operations(
            random_numbers=n_draws, comparisons=n_events, state_reads=n_events, state_writes=n_events
        ),
        "integration": Operations(
            weight_reads=spikes, additions=spikes, multiplications=steps, state_reads=steps, comparisons=0
        ),
        "leak": Operations(
            state_reads=steps, state_writes=steps, multiplications=steps, additions=leaks * steps
        ),
        "refractory period": Operations(state_reads=steps, comparisons=steps),
        "threshold": Operations(state_reads=steps, comparisons=steps),
        # The winner is the neuron furthest above its threshold.
        "competition": Operations(
            state_reads=2 * winners, additions=winners, comparisons=winners, state_writes=2 * n_out
        ),
        "inhibition": Operations(
            weight_reads=n_others if lateral == "matrix" else 0, additions=n_others, comparisons=n_others,
            state_reads=n_others, state_writes=n_others,
        ),
    }  # fmt: skip


def training_operations(
    events: EventCounts, settings: Settings, rule: LeanRule, lateral: Lateral
) -> dict[str, Operations]:
    """Count the operations of learning, mean per sample; parameters as in :func:`inference_operations`."""
    n, n_inputs = settings.n_neurons, settings.n_inputs
    spikes, n_out, updates, columns = (
        events.per_sample(name) for name in ("in_spikes", "out_spikes", "n_updates", "n_potentiations")
    )
    targets, cells = updates * n_inputs, columns * n_inputs
    chances = cells if settings.n_bits and settings.rounding == "stochastic" else 0
    # A float weight is a mean of values in [0, 1] and cannot leave the range.
    clips = 2 * cells if settings.n_bits else 0
    return {
        **inference_operations(events, settings, rule, lateral),
        # Per output spike, and the decay of all neurons after the sample.
        "threshold adaptation": Operations(
            state_reads=n_out + n, state_writes=2 * n_out + 2 * n, additions=2 * n_out + n, multiplications=n
        ),
        # A counter per input at each spike, and the rates once per update.
        "input rates": Operations(
            state_reads=spikes + targets, state_writes=spikes + targets, additions=spikes, multiplications=targets,
            comparisons=targets,
        ),
        "post-triggered update": Operations(
            weight_reads=cells, weight_writes=cells, state_reads=cells, additions=2 * cells + chances,
            multiplications=cells, comparisons=clips, random_numbers=chances,
        ),
        # The sum of squares of each updated column, then a root and a division.
        "gain": Operations(
            additions=cells, multiplications=cells + 2 * columns, state_writes=columns
        ),
    }  # fmt: skip
