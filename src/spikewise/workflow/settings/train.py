"""How a deep network is trained, and when it stops."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from spikewise.data.frames import Binning
from spikewise.runs.exit_settings import ExitSettings

from .network import NetworkSettings


class TrainSettings(BaseModel):
    """What a run with gradients does, besides how it trains: which network, on what, stopped and priced how.

    Examples
    --------
    >>> TrainSettings(data="cifar10").network.model
    'vgg7'
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    data: str = Field("digits", description="Name of a data set, .npz file, folder of class folders or of recordings.")
    binning: Binning | None = Field(None, description="How recordings become frames; by time if absent.")
    network: NetworkSettings = Field(NetworkSettings(), description="Which network.")
    max_drop: float = Field(0.005, ge=0, lt=1, description="Tolerated loss of accuracy by early exit.")
    platform: str = Field("rram-64-32nm", description="Platform that the network is priced on.")

    @property
    def exit(self) -> ExitSettings:
        """When the network shall stop."""
        return ExitSettings(max_drop=self.max_drop, platform=self.platform)
