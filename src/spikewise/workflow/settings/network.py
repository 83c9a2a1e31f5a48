"""Which deep network a run trains: architecture, neurons and normalisation, checked before any work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from spikewise.data.images import ImageSet
    from spikewise.network.models import SpikingNetwork
    from spikewise.network.spec import ModelSpec


class NetworkSettings(BaseModel):
    """Which deep network a run trains.

    Examples
    --------
    >>> NetworkSettings(model="vgg5").spec((1, 28, 28), 10).neurons.v_threshold
    1.0
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: str = Field("vgg7", description="Architecture: vgg5, vgg7, vgg9, resnet18, ...")
    width: float = Field(1.0, gt=0, le=16, description="Factor on the channels of the architecture.")
    v_threshold: float = Field(1.0, gt=0, le=1000, description="Potential at which a neuron fires.")
    decay: float = Field(0.5, ge=0, le=1, description="Share of a potential that is left after one step.")
    reset: Literal["hard", "soft"] = Field("hard", description="A spike empties the neuron, or takes the threshold.")
    surrogate: Literal["dspike", "triangle"] = Field("triangle", description="Slope of the firing step in training.")
    gamma: float | None = Field(None, ge=1e-3, le=1e3, description="Shape of that slope; 1 of triangle, 3 of dspike.")
    norm: Literal["batch", "threshold"] = Field(
        "batch", description="How normalisation begins: batch, or threshold (tdBN); alike in a VGG if v_threshold is 1."
    )
    pooling: Literal["max", "average"] = Field("max", description="How a VGG halves its maps, before the neurons.")

    def spec(self, in_shape: tuple[int, int, int], n_classes: int) -> ModelSpec:
        """The network for samples of this shape; raises ParameterError if there is none."""
        from spikewise.network.neurons import LIFParams
        from spikewise.network.spec import ModelSpec
        from spikewise.network.surrogate import surrogate_from_dict

        shape = {} if self.gamma is None else {"gamma": self.gamma}
        neurons = LIFParams(
            decay=self.decay, v_threshold=self.v_threshold, reset=self.reset,
            surrogate=surrogate_from_dict({"kind": self.surrogate, **shape}),
        )  # fmt: skip
        return ModelSpec(self.model, in_shape, n_classes, self.width, neurons, self.norm, pooling=self.pooling)

    def build(self, images: ImageSet, seed: int) -> SpikingNetwork:
        """The network for these images, with fresh weights."""
        from spikewise.network.models import build_from

        return build_from(self.spec(images.shape, images.n_classes), seed)
