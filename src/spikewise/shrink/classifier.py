"""Fixed-point network as a classifier: it stops early, is saved, streamed and priced like any other."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from pydantic import JsonValue
from torch import Tensor

from spikewise._arguments import checks_arguments
from spikewise.dynamic.rule import ExitRule
from spikewise.errors import DataError
from spikewise.network.classifier import NetworkCard, SpikingClassifier, build_for
from spikewise.network.protocol import check_finite
from spikewise.network.spec import ModelSpec
from spikewise.weights import as_card, read_weights
from spikewise.workload.layer import LayerShape
from spikewise.workload.workload import Workload

from .convert import Steps, fits_in_float, shrink_network
from .fixed import FixedLIF, FixedNetwork
from .format import FixedFormat

FORMAT = "spikewise-fixed-1"
_SHIFT_BITS = 8  # shift and sign
_FRACTION = "scale"  # the only array of the network that is not of integers


class FixedCard(NetworkCard):
    """What a file of a network in fixed point says beside its arrays."""

    fixed: dict[str, JsonValue]


@checks_arguments
class FixedClassifier(SpikingClassifier):
    """A :class:`~spikewise.shrink.fixed.FixedNetwork` as an :class:`~spikewise.dynamic.AnytimeClassifier`.

    Parameters
    ----------
    model : FixedNetwork
        The network.
    form : FixedFormat
        Bits of its weights and potentials.
    n_steps, class_names, batch_size
        As for :class:`~spikewise.network.classifier.SpikingClassifier`.
    """

    def __init__(
        self, model: FixedNetwork, form: FixedFormat, n_steps: int, class_names: Sequence[str] | None = None,
        batch_size: int = 256,
    ) -> None:  # fmt: skip
        super().__init__(model, n_steps, class_names, batch_size)
        self.form = form

    @classmethod
    @checks_arguments
    def of(
        cls, network: SpikingClassifier, form: FixedFormat, typical: Any, steps: Steps | None = None
    ) -> FixedClassifier:
        """Quantize a network; ``typical`` samples and ``steps`` as for :func:`~spikewise.shrink.shrink_network`."""
        fixed = shrink_network(network.model, form, typical, network.n_steps, steps)
        return cls(fixed, form, network.n_steps, network.class_names)

    def workload(self, X: ArrayLike | Tensor, rule: ExitRule | None = None) -> Workload:
        """Count the operations that hardware must do, with the bits of each layer."""
        load = super().workload(X, rule)
        first, *others = (self._with_bits(layer) for layer in load.layers)
        signed = bool(self.model.mean.any())  # a pixel minus the mean needs a sign bit
        return replace(load, layers=(replace(first, input_bits=first.input_bits + signed), *others))

    def _with_bits(self, layer: LayerShape) -> LayerShape:
        name = layer.name.removeprefix("layers.").removesuffix(".synapses")
        return replace(layer, weight_bits=self.form.of(name), state_bits=self.form.membrane_bits)

    @property
    def channel_bits(self) -> int:
        """Bits that are stored for the channels: bias, threshold and reset, shift and sign."""
        populations = [module for module in self.model.modules() if isinstance(module, FixedLIF)]
        return sum(len(each.shift) for each in populations) * (3 * self.form.membrane_bits + _SHIFT_BITS)

    def content(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Return the arrays, as the shortest integers that hold them, and the card of the network's file."""
        arrays, card = super().content()
        whole = {key: value if key == _FRACTION else _shortest(value) for key, value in arrays.items()}
        return whole, {**card, "format": FORMAT, "fixed": self.form.to_dict()}

    @classmethod
    def load(cls, path: str | os.PathLike[str], model: Any = None) -> FixedClassifier:
        """Read what :meth:`save` wrote; raises DataError if the file is absent, damaged or of another kind."""
        arrays, raw = read_weights(path, FORMAT)
        card = as_card(FixedCard, raw, path)
        try:
            network = build_for(FixedNetwork, ModelSpec.from_dict(card.model), arrays)
            network.load_state_dict({key: torch.as_tensor(value) for key, value in arrays.items()})
            check_finite(network)
            # Decided anew: only the weights are in the file, not the type that they need.
            network = network if fits_in_float(network) else network.double()
            return cls(network, FixedFormat.from_dict(card.fixed), card.n_steps, card.class_names)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise DataError(f"{path} must be a network in fixed point; {error}. Shrink it again.") from None


def _shortest(values: NDArray[Any]) -> NDArray[Any]:
    """Convert whole numbers to the shortest integer type that holds them."""
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    for kind in (np.int8, np.int16, np.int32):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return values.astype(kind)
    return values.astype(np.int64)
