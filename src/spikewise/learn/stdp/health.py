"""Diagnosis of a learned network: which neurons fire, how often, and what to do about problems."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .counters import EventCounts

# Shares beyond which a network is reported, with its remedy.
_SICK_SILENT = 0.1
_SICK_EMPTY = 0.5
_SICK_LIVE = 0.5
_SICK_SPREAD = 0.5
_ENOUGH = 20  # spikes per neuron; with fewer, a share of silent neurons means little


@dataclass(frozen=True, slots=True)
class Health:
    """Measures of the activity of a network during learning.

    Parameters
    ----------
    live_share : float
        Share of the neurons that fired at least once while learning.
    spikes_per_sample : float
        Output spikes per presentation, mean.
    silent_share : float
        Share of the presentations that had inputs but made no neuron fire.
    empty_share : float
        Share of the presentations without any input, from which nothing can be learned.
    theta_mean, theta_spread : float
        Mean of the adaptive thresholds in mV, and their standard deviation relative to it.
    spikes_per_neuron : float
        Output spikes of a neuron in all of learning, mean.
    """

    live_share: float
    spikes_per_sample: float
    silent_share: float
    empty_share: float
    theta_mean: float
    theta_spread: float
    spikes_per_neuron: float

    @classmethod
    def of(cls, events: EventCounts, n_fired: NDArray[np.int64], theta: NDArray[np.float32]) -> Health:
        """Compute the measures from events, spikes of each neuron (N,) and thresholds (N,)."""
        mean = float(theta.mean(dtype=float))
        return cls(
            live_share=float((n_fired > 0).mean()),
            spikes_per_sample=events.per_sample("out_spikes"),
            silent_share=events.per_sample("n_silent"),
            empty_share=events.per_sample("n_empty"),
            theta_mean=mean,
            theta_spread=float(theta.std(dtype=float)) / mean if mean > 0 else 0.0,
            spikes_per_neuron=float(n_fired.mean()),
        )

    @property
    def problems(self) -> list[str]:
        """Problems, each with a remedy; empty if there are none.

        Examples
        --------
        >>> Health(1.0, 4.5, 0.0, 0.0, 67.0, 0.03, 500.0).problems
        []
        >>> Health(1.0, 0.2, 0.9, 0.0, 67.0, 0.03, 500.0).problems[0][:48]
        '90% of the samples made no neuron fire, so littl'
        """
        found = []
        if self.silent_share > _SICK_SILENT:
            found.append(
                f"{self.silent_share:.0%} of the samples made no neuron fire, so little was learned from them. "
                "Raise n_steps."
            )
        if self.empty_share > _SICK_EMPTY:
            found.append(f"{self.empty_share:.0%} of the samples are empty (all zeros). Leave them out.")
        if self.spikes_per_neuron < _ENOUGH:
            return found
        if self.live_share < _SICK_LIVE:
            found.append(
                f"only {self.live_share:.0%} of the neurons ever fired. "
                "Show more samples (n_epochs) or lower n_neurons."
            )
        elif self.theta_spread > _SICK_SPREAD:
            found.append(
                f"adaptive thresholds differ by {self.theta_spread:.0%} of their mean, so few neurons do most "
                "of the work. Show more samples (n_epochs)."
            )
        return found
