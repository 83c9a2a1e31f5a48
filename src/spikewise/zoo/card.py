"""Model cards of the zoo: origin of a network, and its results with those that they are compared with."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


# Unknown keys are errors, so that a card of another version is refused instead of half read.
class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataCard(_Part):
    """Data on which a network was trained and tested, with digests of the splits, so that they can be reproduced.

    ``n_chosen_on`` validation images, with the digest ``epoch_chosen_on``, chose the epoch, if one was chosen.
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
    """One exit setting, chosen on validation images, and its results on the test images.

    ``calibration`` has the results on the images that chose it, ``profile`` the exit steps of these images. Savings are
    relative to full runs on the named platform.
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


class RecordedExit(_Part):
    """What a run keeps of an exit setting: the content of its ``exit.json``, and the workload with this exit."""

    record: dict[str, Any]
    load: dict[str, Any]


class RecordedExits(_Part):
    """What was counted of a network on the test images: the workload of full runs, and its exit settings by name."""

    load: dict[str, Any]
    exits: dict[str, RecordedExit]


class ModelCard(_Part):
    """A network of the zoo.

    Parameters
    ----------
    name, kind : str
        Name, and "deep" or "stdp".
    command : str
        Command line that trained it.
    seed : int
        Seed of the training.
    versions : dict
        Versions of the packages that trained it.
    sha256 : str
        SHA-256 of the weights file.
    settings : dict
        Settings of the training: architecture and neurons, or plasticity.
    n_parameters : int
        Number of learned weights.
    n_steps : int
        Number of timesteps T of a full run.
    data : DataCard
        Training and test data.
    validation_accuracy, accuracy : dict
        Accuracy on validation and test images without early exit, by number of timesteps.
    exits : dict of ExitCard
        Exit settings by name.
    test_evaluations : list of dict
        Every evaluation on the test images.
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
