"""How a network learns without labels, and when it stops."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from spikewise._choices import Bits, Rounding
from spikewise.errors import unknown_name


class STDPSettings(BaseModel):
    """What a run without labels does.

    Examples
    --------
    >>> settings = STDPSettings(data="mnist", n_neurons=400)
    >>> settings.rule, settings.keywords["n_bits"]
    ('lean', 'auto')
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str = Field("digits", description="Name of a data set, an .npz file or a folder of class folders.")
    n_neurons: int = Field(100, ge=1, le=100_000, description="Neurons of the network.")
    rule: str = Field("lean", description="Plasticity rule, such as lean or first_spike.")
    n_bits: Bits = Field("auto", description="Bits of a weight, 1 to 8; float; or auto, what the rule is made for.")
    rounding: Rounding = Field("stochastic", description="How weight updates are rounded.")
    n_steps: int = Field(350, ge=1, le=30_000, description="Timesteps for which an image is shown.")
    n_epochs: int | None = Field(None, ge=1, le=1_000_000, description="Passes; by the number of images if absent.")
    batch_size: int = Field(1, ge=1, le=1_000_000, description="Images that meet the same frozen network.")
    decoder: str = Field("naive_bayes", description="How spikes become an answer: naive_bayes, proportion or votes.")
    max_drop: float = Field(0.005, ge=0, lt=1, description="Loss of accuracy that early exit may cost, as a fraction.")
    platform: str = Field("rram-64-32nm", description="Platform that the network is priced on.")
    seed: int = Field(0, ge=0, lt=2**32, description="Fixes every random choice.")
    limit: int | None = Field(None, ge=1, description="Training images, for a quick look; all if absent.")

    @property
    def keywords(self) -> dict[str, Any]:
        """Keywords of :class:`~spikewise.learn.stdp.STDPClassifier` that decide what is learned."""
        of_classifier = ("n_neurons", "rule", "n_bits", "rounding", "n_steps", "n_epochs", "batch_size", "decoder")
        return {**{key: getattr(self, key) for key in of_classifier}, "random_state": self.seed}

    def check(self) -> None:
        """Raise ParameterError for what nobody knows or what does not go together, before any work."""
        from spikewise.learn.stdp.encoder import STDPEncoder
        from spikewise.price.analysis.companions import check_platform
        from spikewise.spikes.decode import DECODERS

        check_platform(self.platform)
        if self.decoder not in DECODERS:
            raise unknown_name("decoder", self.decoder, DECODERS)
        keywords = {key: value for key, value in self.keywords.items() if key != "decoder"}
        STDPEncoder(**keywords).check_settings()
