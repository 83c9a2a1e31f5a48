"""What the demo runs: one deep network and one without labels, on the same data."""

from pydantic import BaseModel, ConfigDict, Field


class DemoSettings(BaseModel):
    """What the demo runs.

    Examples
    --------
    >>> DemoSettings(data="mnist").n_steps
    4
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str = Field("digits", description="Name of a data set, an .npz file or a folder of class folders.")
    model: str = Field("vgg5", description="Architecture of the deep network.")
    width: float | None = Field(None, gt=0, le=8, description="Factor on its channels; by size of the data if absent.")
    n_steps: int = Field(4, ge=1, le=1024, description="Timesteps of the deep network.")
    epochs: int | None = Field(
        None, ge=1, le=10_000, description="Epochs of that network; by size of the data if absent."
    )
    n_neurons: int = Field(100, ge=1, le=100_000, description="Neurons of the STDP network.")
    max_drop_deep: float = Field(0.005, ge=0, lt=1, description="Tolerated loss of accuracy of the deep network.")
    max_drop_stdp: float = Field(0.01, ge=0, lt=1, description="Tolerated loss of accuracy of the STDP network.")
    platform: str = Field("rram-64-32nm", description="Platform that the networks are priced on.")
    seed: int = Field(0, ge=0, lt=2**32, description="Fixes every random choice.")
