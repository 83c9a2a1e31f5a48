r"""Order in which a search tries designs.

*Enumerate* trains every design that keeps the budget, in a seeded order. *Sample* leaves the choice to Optuna's
tree-structured Parzen estimator, which learns from the trials so far what error, memory and energy to expect; it is
also told which designs exceed the budget. *FSpiNN* is the algorithm of that paper as reconstructed: the network grows
while it keeps the budget, and of all that were trained the one with the best reward is taken,

.. math:: R = \text{accuracy} - \mu \, \text{memory} / \text{limit} - \varepsilon \, \text{energy} / \text{limit} .

Its designs are the first trials of every search, so its choice stands beside that of the search.
"""

from collections.abc import Callable, Sequence

import numpy as np

from spikewise._choices import Strategy

from .budget import Budget
from .designs import STDPDesign, STDPSpace

MEMORY_WEIGHT = ENERGY_WEIGHT = 0.1
"""Weights of memory and energy in the reward; the paper does not state its values."""


def resolve(strategy: Strategy, n_feasible: int, n_trials: int) -> Strategy:
    """Return the strategy that "auto" means: try all designs if there are enough trials, else sample.

    Examples
    --------
    >>> resolve("auto", n_feasible=40, n_trials=60), resolve("auto", n_feasible=400, n_trials=60)
    ('enumerate', 'sample')
    """
    if strategy != "auto":
        return strategy
    return "enumerate" if n_feasible <= n_trials else "sample"


def growing(space: STDPSpace, is_within: Callable[[STDPDesign], bool]) -> list[STDPDesign]:
    """Return FSpiNN's designs: neurons grow while the budget is kept; bits and presentation are the largest.

    Parameters
    ----------
    space : STDPSpace
        Choices; the designs have the most bits, the longest presentation and the first rule.
    is_within : callable
        Whether a design keeps the budget.

    Examples
    --------
    >>> space = STDPSpace(n_neurons=(100, 400, 900), n_bits=(4, 8), n_steps=(100, 350))
    >>> [design.name for design in growing(space, lambda design: design.n_neurons < 500)]
    ['stdp-100-8bit-350-lean', 'stdp-400-8bit-350-lean']
    """
    axes = space.axes
    found: list[STDPDesign] = []
    for n_neurons in axes["n_neurons"]:
        design = STDPDesign(
            n_neurons=n_neurons, n_bits=axes["n_bits"][-1], n_steps=axes["n_steps"][-1], rule=axes["rule"][0]
        )
        if not is_within(design):
            break  # more neurons need more memory and energy, so no later design fits
        found.append(design)
    return found


def shuffled(designs: Sequence[STDPDesign], seed: int) -> list[STDPDesign]:
    """Return the designs in a random order that depends on the seed."""
    return [designs[place] for place in np.random.default_rng(seed).permutation(len(designs))]


def reward(accuracy: float, memory_bits: float, energy_j: float, budget: Budget) -> float:
    """Return FSpiNN's reward; a quantity without a limit is not penalised.

    Examples
    --------
    >>> round(reward(0.9, 8e5, 1e-5, Budget(memory_bits=1.6e6, energy_j=2e-5)), 3)
    0.8
    """
    memory = memory_bits / budget.memory_bits if budget.memory_bits else 0.0
    energy = energy_j / budget.energy_j if budget.energy_j else 0.0
    return accuracy - MEMORY_WEIGHT * memory - ENERGY_WEIGHT * energy
