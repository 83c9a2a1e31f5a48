r"""The one way to charge: unit costs entered into accounts for each of so many events, one report at the end.

A platform charges a unit cost (low, nominal, high) for each of so many events of a layer at a step,

.. math:: E_{step, layer, component} = \sum_{event} n_{event, step, layer} \cdot e_{event, layer},

from the activity of the samples still running and from that of all samples alike. Work that does not change over time
(the weighted sums of a direct-coded image) is entered once per inference instead: :class:`Accounts` sorts both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewise.workload.workload import Workload

from .cost import CostReport
from .ledger import CORNERS, Ledger
from .quantity import Tag, constants_of, weakest

FloatArray = NDArray[np.float64]


CHIP = "chip"


class Accounts:
    """Charges by corner, activity (running, all), step, layer and component, until they are closed as a report.

    Unit costs have shape (3,) or (3, L); counts any shape that broadcasts to (2, T, L). Both may have L + 1 columns,
    the last for the chip as a whole.

    Parameters
    ----------
    layers, components : sequence of str
        Names; the layer ``"chip"`` is added.
    n_steps : int
        Timesteps T.
    once : bool array of shape (L,), optional
        Layers whose weighted sums are computed once per inference.
    """

    def __init__(
        self, layers: Sequence[str], components: Sequence[str], n_steps: int, once: Sequence[bool] | None = None
    ) -> None:
        self.layers, self.components, self.n_steps = (*layers, CHIP), tuple(components), n_steps
        self.n_layers = len(layers)
        self.once = np.append(np.zeros(self.n_layers, bool) if once is None else np.asarray(once, bool), False)
        shape = (3, 2, n_steps, self.n_layers + 1, len(self.components))
        self._step = {"energy": np.zeros(shape), "latency": np.zeros(shape)}
        self._once = {"energy": np.zeros(shape[:2] + shape[3:]), "latency": np.zeros(shape[:2] + shape[3:])}
        self._area = np.zeros((3, *shape[3:]))
        self._bits = np.zeros(shape[3:])

    def energy(self, component: str, joules: Any, counts: Any, *, once: bool = False) -> None:
        """Charge energy per event; ``once`` if the work of once-layers is not repeated at later steps."""
        self._charge("energy", component, joules, counts, once)

    def latency(self, component: str, seconds: Any, counts: Any, *, once: bool = False) -> None:
        """Charge time per event, in series with all other times."""
        self._charge("latency", component, seconds, counts, once)

    def area(self, component: str, square_metres: Any) -> None:
        """Build something: shape (L,) or (3, L)."""
        self._area[..., self.components.index(component)] += self._padded(square_metres)

    def memory(self, component: str, n_bits: Any) -> None:
        """Store bits, shape (L,)."""
        self._bits[:, self.components.index(component)] += self._padded(n_bits)

    def on_chip(self, value: Any) -> FloatArray:
        """A number, or one per corner, for the chip as a whole and nothing for its layers."""
        values = np.asarray(value, np.float64)
        return np.concatenate([np.zeros((*values.shape, self.n_layers)), values[..., None]], axis=-1)

    def leak(self, component: str, watts: FloatArray) -> None:
        """Charge power (3,) for as long as everything takes; the last entry to be made."""
        column = self.components.index(component)
        for book in (self._step, self._once):
            busy = book["latency"].sum(-1)
            book["energy"][..., column] += watts.reshape(3, *[1] * (busy.ndim - 1)) * busy

    def spend(self, watts: FloatArray) -> None:
        """Charge power (3,) to each component for as long as it takes: all energy of a processor that is always on."""
        for book in (self._step, self._once):
            book["energy"] += watts.reshape(3, *[1] * (book["latency"].ndim - 1)) * book["latency"]

    def stretch(self, factor: FloatArray) -> None:
        """Multiply all times by a factor (3,)."""
        for book in (self._step, self._once):
            book["latency"] *= factor.reshape(3, *[1] * (book["latency"].ndim - 1))

    def times(self) -> tuple[FloatArray, FloatArray]:
        """Time so far, once (3, 2) and of each step (3, 2, T), of running samples and of all."""
        return self._once["latency"].sum((-1, -2)), self._step["latency"].sum((-1, -2))

    def report(
        self,
        platform: Any,
        workload: Workload,
        histogram: Sequence[int],
        remarks: Sequence[str],
        source: str = "",
        tag: Tag = "verified",
    ) -> CostReport:
        """Close the accounts; label, notes, sources and tags are the platform's, and those of one table behind it."""
        constants = [quantity for _, quantity in constants_of(platform)]
        running, full = (tuple(self._ledger(corner, who) for corner in range(len(CORNERS))) for who in (0, 1))
        return CostReport(
            platform=platform.name,
            workload=workload.name,
            exit_histogram=tuple(histogram),
            layers=self.layers,
            components=self.components,
            running=running,
            full=full,
            assumptions=(platform.label, *platform.notes, f"{workload.precision_note()}.", *remarks),
            sources=tuple(dict.fromkeys([*(quantity.source for quantity in constants), *[source] * bool(source)])),
            weakest_tag=weakest([*(quantity.tag for quantity in constants), tag]),
        )

    def _ledger(self, corner: int, who: int) -> Ledger:
        return Ledger(
            self._once["energy"][corner, who],
            self._step["energy"][corner, who],
            self._once["latency"][corner, who],
            self._step["latency"][corner, who],
            self._area[corner],
            np.ceil(self._bits).astype(np.int64),
        )

    def _padded(self, values: Any) -> FloatArray:
        array = np.asarray(values, np.float64)
        if array.ndim and array.shape[-1] == self.n_layers:
            return np.concatenate([array, np.zeros((*array.shape[:-1], 1))], axis=-1)
        return array

    def _charge(self, kind: str, component: str, unit: Any, counts: Any, once: bool) -> None:
        cost = np.asarray(unit, np.float64)
        cost = cost.reshape(3, 1, 1, 1) if cost.ndim == 1 else self._padded(cost)[:, None, None, :]
        n_events = np.broadcast_to(self._padded(counts), (2, self.n_steps, self.n_layers + 1))
        charge, column = cost * n_events, self.components.index(component)
        if once and self.once.any():
            self._once[kind][..., column] += np.where(self.once, charge[:, 1:, 0], 0.0)  # every sample pays it
            charge = np.where(self.once, 0.0, charge)
        self._step[kind][..., column] += charge
