r"""Accounts of a price: every platform charges unit costs times counts of events, and gets a report at the end.

A platform charges a unit cost (low, nominal, high) for each event of a layer at a step,

.. math:: E_{step, layer, component} = \sum_{event} n_{event, step, layer} \cdot e_{event, layer},

twice: for the activity of the samples still running, and for that of all samples. Work that does not change over time
(the weighted sums of a direct-coded image) is charged once per inference; :class:`Accounts` separates the two.

Where it is unknown which work is done once, a price has several :class:`Option` values. The first one is nominal; the
low corner is that of the cheapest option, the high corner that of the most expensive.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewise.workload.workload import Workload

from .cost import CostReport, OnceFigures, OnceMode
from .ledger import CORNERS, FloatArray, Ledger
from .protocol import Platform
from .quantity import Tag, weakest

CHIP, FIXED = "chip", "fixed"
_NOMINAL = CORNERS.index("nominal")


class Accounts:
    """Charges by corner, activity (running, all), step, layer and component, from which a report is made.

    Unit costs have shape (3,), (3, L) or (3, 2, T, L); counts have any shape that broadcasts to (2, T, L). Both may
    have L + 1 columns, the last for the chip as a whole.

    Parameters
    ----------
    layers, components : sequence of str
        Names; a last layer ``"chip"`` is added.
    n_steps : int
        Timesteps T.
    is_once : sequence of bool, length L, optional
        Layers whose weighted sums are computed once per inference.
    """

    def __init__(
        self, layers: Sequence[str], components: Sequence[str], n_steps: int, is_once: Sequence[bool] = ()
    ) -> None:
        self.layers, self.components = (*layers, CHIP), tuple(components)
        self.n_layers, self.has_once = len(layers), any(is_once)
        self._is_once = np.array([*(is_once or [False] * len(layers)), False])
        self._column = {name: place for place, name in enumerate(components)}
        once = (len(self.layers), len(self.components))
        step = (3, 2, n_steps, *once)
        self.step_j, self.step_s, self.leave_j = np.zeros(step), np.zeros(step), np.zeros(step)
        self.once_j, self.once_s, self.area_m2 = np.zeros((3, *once)), np.zeros((3, *once)), np.zeros((3, *once))
        self.memory_bits = np.zeros(once)

    @classmethod
    def of(cls, workload: Workload, components: Sequence[str]) -> Accounts:
        """Open accounts for the layers of a workload."""
        names, is_once = zip(*((layer.name, layer.once_per_inference) for layer in workload.layers), strict=True)
        return cls(names, components, workload.n_steps, is_once)

    def energy(self, component: str, joules: FloatArray, counts: ArrayLike = 1.0, *, once: bool = False) -> None:
        """Charge energy per event; ``once`` if the work of once-layers is not repeated at later steps."""
        self._charge(self.step_j, self.once_j, component, joules, counts, once)

    def latency(self, component: str, seconds: FloatArray, counts: ArrayLike = 1.0, *, once: bool = False) -> None:
        """Charge time per event, in series with all other times."""
        self._charge(self.step_s, self.once_s, component, seconds, counts, once)

    def energy_once(self, component: str, joules: FloatArray) -> None:
        """Charge energy once per inference: shape (3, L)."""
        self.once_j[..., self._column[component]] += self._padded(joules)

    def leave(self, component: str, joules: FloatArray) -> None:
        """Charge energy (3, T, L) to samples that leave after a step, for later steps that had begun already."""
        # The same for running samples and for all, hence the new axis.
        self.leave_j[..., self._column[component]] += self._padded(joules)[:, None]

    def area(self, component: str, square_metres: ArrayLike) -> None:
        """Charge silicon area: shape (L,) or (3, L)."""
        self.area_m2[..., self._column[component]] += self._padded(square_metres)

    def memory(self, component: str, n_bits: ArrayLike) -> None:
        """Charge memory in bits, shape (L,)."""
        self.memory_bits[:, self._column[component]] += self._padded(n_bits)

    def on_chip(self, value: ArrayLike) -> FloatArray:
        """Return values for the chip as a whole, with 0 for each layer."""
        values = np.asarray(value, np.float64)
        return np.concatenate([np.zeros((*values.shape, self.n_layers)), values[..., None]], axis=-1)

    def leak(self, component: str, watts: FloatArray) -> None:
        """Charge power for the whole run time: (3,) to the layer at work, (3, L + 1) to the layer that leaks."""
        column = self._column[component]
        for energy, time in ((self.step_j, self.step_s), (self.once_j, self.once_s)):
            # A layer leaks while others work too, so with a power per layer the time of all layers counts.
            busy = time.sum(-1) if watts.ndim == 1 else time.sum((-2, -1))[..., None]
            energy[..., column] += _by_corner(watts, busy.ndim) * busy

    def spend(self, watts: FloatArray) -> None:
        """Charge power (3,) to each component for its own time: all energy of a processor with constant power."""
        for energy, time in ((self.step_j, self.step_s), (self.once_j, self.once_s)):
            energy += _by_corner(watts, time.ndim) * time

    def scale_run_time(self, seconds: FloatArray) -> None:
        """Multiply all times by one factor, so that a full run of all samples takes this time (3,)."""
        # Index 1 is the activity of all samples: the measured time is that of a run without early exit.
        factor = seconds / (self.once_s.sum((-1, -2)) + self.step_s.sum((-1, -2))[:, 1].sum(1))
        for time in (self.step_s, self.once_s):
            time *= _by_corner(factor, time.ndim)

    # The properties below are cached: read them only when everything is charged.

    @cached_property
    def per_step_j(self) -> FloatArray:
        """Energy (3,) of all layers per step, mean over the steps, for the activity of all samples."""
        return np.asarray(self.step_j[:, 1, :, :-1].sum((2, 3)).mean(1))

    @cached_property
    def energies_j(self) -> FloatArray:
        """Energy (3, 2, T) of a sample that leaves after step 1, 2, ..., T."""
        steps = np.cumsum(self.step_j.sum((3, 4)), axis=2)
        return np.asarray(self.once_j.sum((1, 2))[:, None, None] + steps + self.leave_j.sum((3, 4)))

    @cached_property
    def latencies_s(self) -> FloatArray:
        """Time (2, T) to the answer of a sample that leaves after step 1, 2, ..., T, with nominal constants."""
        return np.asarray(self.once_s[_NOMINAL].sum() + np.cumsum(self.step_s[_NOMINAL].sum((2, 3)), axis=1))

    @cached_property
    def _whole_bits(self) -> NDArray[np.int64]:
        return np.ceil(self.memory_bits).astype(np.int64)

    def ledger(self, corner: int, who: int, fixed_j: float) -> Ledger:
        """Return the ledger of one corner, for the running (0) or for all (1) samples, with an energy paid once."""
        once_j = self.once_j[corner]
        if fixed_j:
            # A copy: options with different fixed energies share these accounts.
            once_j = once_j.copy()
            once_j[-1, self._column[FIXED]] += fixed_j
        return Ledger(
            once_j, self.step_j[corner, who], self.once_s[corner], self.step_s[corner, who], self.area_m2[corner],
            self._whole_bits, self.leave_j[corner, who],
        )  # fmt: skip

    def report(
        self, platform: Platform, workload: Workload, histogram: Sequence[int], notes: Sequence[str], source: str = "",
        tag: Tag = "verified",
    ) -> CostReport:  # fmt: skip
        """Make the report of accounts that have one option; see :func:`report_of`."""
        return report_of([Option("none", self, np.zeros(3))], platform, workload, histogram, notes, source, tag)

    def _padded(self, values: ArrayLike) -> FloatArray:
        array = np.asarray(values, np.float64)
        if array.ndim and array.shape[-1] == self.n_layers:
            return np.concatenate([array, np.zeros((*array.shape[:-1], 1))], axis=-1)
        return array

    def _charge(
        self, step: FloatArray, single: FloatArray, component: str, unit: FloatArray, counts: ArrayLike, once: bool
    ) -> None:
        cost = unit[:, None, None, None] if unit.ndim == 1 else _by_corner(self._padded(unit), 4)
        charge, column = cost * self._padded(counts), self._column[component]
        if once and self.has_once:
            # Once-work sees the same input at every step, so the charge of the first step of all samples stands for it.
            every = charge[:, -1, 0]  # the last of one or two activities is that of all samples
            single[..., column] += np.where(self._is_once, every, 0.0)
            charge = np.where(self._is_once, 0.0, charge)
        step[..., column] += charge


class Option(NamedTuple):
    """One way to charge work done once per inference: accounts, and an energy (3,) to add to them."""

    mode: OnceMode
    accounts: Accounts
    fixed_j: FloatArray

    def full_j(self) -> FloatArray:
        """Return the energy (3,) of a full run, mean over all samples."""
        return np.asarray(self.fixed_j + self.accounts.energies_j[:, 1, -1])

    def figures(self, leaves: FloatArray) -> OnceFigures:
        """Return nominal mean energy and EDP saving; ``leaves`` is the share of samples (T,) that leave per step."""
        energies, latencies = self.accounts.energies_j[_NOMINAL] + self.fixed_j[_NOMINAL], self.accounts.latencies_s
        static = energies[1, -1] * latencies[1, -1]
        saving = 1 - leaves @ (energies[0] * latencies[0]) / static if static else 0.0
        return OnceFigures(self.mode, float(leaves @ energies[0]), float(saving))


def report_of(
    options: Sequence[Option], platform: Platform, workload: Workload, histogram: Sequence[int], notes: Sequence[str],
    source: str = "", tag: Tag = "verified",
) -> CostReport:  # fmt: skip
    """Make a report of accounts; ``source`` and ``tag`` are those of a table that the platform uses."""
    leaves, constants = np.asarray(histogram) / workload.n_samples, platform.quantities()
    shown = [options[0]] * len(CORNERS)
    modes: tuple[OnceFigures, ...] = ()
    if len(options) > 1:
        energies = np.array([option.full_j() for option in options])
        shown = [options[int(energies[:, 0].argmin())], options[0], options[int(energies[:, 2].argmax())]]
        modes = tuple(option.figures(leaves) for option in options)
    running, full = (
        tuple(each.accounts.ledger(corner, who, each.fixed_j[corner]) for corner, each in enumerate(shown))
        for who in (0, 1)
    )
    return CostReport(
        platform=platform.name,
        workload=workload.name,
        exit_histogram=tuple(histogram),
        layers=options[0].accounts.layers,
        components=options[0].accounts.components,
        running=running,
        full=full,
        once_modes=modes,
        assumptions=(platform.label, *platform.notes, f"{workload.precision_note()}.", *notes),
        sources=tuple(dict.fromkeys([*(constant.source for constant in constants), *[source] * bool(source)])),
        weakest_tag=weakest([*(constant.tag for constant in constants), tag]),
    )


def _by_corner(values: FloatArray, n_axes: int) -> FloatArray:
    """Give values of shape (3, ...) the wanted number of axes: new axes follow the axis of the corners."""
    return values.reshape(3, *[1] * (n_axes - values.ndim), *values.shape[1:])
