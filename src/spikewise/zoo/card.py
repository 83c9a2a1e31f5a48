"""What is known about a network of the zoo: where it comes from, and its figures beside what they compare with."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataCard(_Part):
    """The data that a network was trained and tested on; digests of the split, so that it can be made again.

    ``n_chosen_on`` of the validation images, of the digest ``epoch_chosen_on``, chose the epoch, where one was chosen.
    """

    name: str
    n_train: int = Field(ge=1)
    n_validation: int = Field(ge=1)
    n_test: int = Field(ge=1)
    n_chosen_on: int = Field(ge=0)
    epoch_chosen_on: str | None
    limit: int | None
    shape: list[int]
    classes: list[str]
    sha256: dict[str, str]


class ExitCard(_Part):
    """One exit setting, chosen on validation images: what it does on the test images.

    ``calibration`` has its figures on the images that it was chosen on, ``profile`` how these left. Savings compare
    with all timesteps, on the platform they name.
    """

    rule: dict[str, Any]
    threshold: Literal["heuristic", "guarantee"]
    asked: dict[str, Any]
    accuracy: float = Field(ge=0, le=1)
    accuracy_random_exit: float = Field(ge=0, le=1)
    mean_steps: float = Field(ge=1)
    histogram: list[int]
    energy_j: dict[str, float]
    energy_saving: dict[str, float]
    edp_saving: dict[str, float]
    calibration: dict[str, Any]
    profile: dict[str, Any]
    certificate: dict[str, Any] | None


class ModelCard(_Part):
    """A network of the zoo.

    Parameters
    ----------
    name, kind : str
        Its name, and "deep" or "stdp".
    command : str
        What was typed to train it.
    seed : int
        Of that command.
    versions : dict
        Of the packages that were used.
    sha256 : str
        Of the file of weights.
    settings : dict
        Of the run, as it was trained: architecture and neurons, or plasticity.
    n_parameters : int
        Weights that were learned.
    n_steps : int
        Timesteps T of a full run.
    data : DataCard
        What it learned from.
    validation_accuracy, accuracy : dict
        Accuracy on validation and test images of full runs that end after a number of timesteps.
    exits : dict of ExitCard
        Exit settings by name.
    test_evaluations : list of dict
        Every look at the test images.
    """

    name: str
    kind: Literal["deep", "stdp"]
    command: str
    seed: int
    versions: dict[str, Any]
    sha256: str
    settings: dict[str, Any]
    n_parameters: int = Field(ge=1)
    n_steps: int = Field(ge=1)
    data: DataCard
    validation_accuracy: dict[str, float]
    accuracy: dict[str, float]
    exits: dict[str, ExitCard]
    test_evaluations: list[dict[str, Any]]
