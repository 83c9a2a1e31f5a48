"""Settings of image augmentation; :mod:`spikewise.data.augment` applies them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from spikewise.errors import unknown_name


class Augmentation(BaseModel):
    """Which variants of its images a network sees in training; by default the images as they are.

    Examples
    --------
    >>> Augmentation.named("cifar100")
    Augmentation(max_shift=4, flip=True, cutout=16, mixup=0.0)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_shift: int = Field(0, ge=0, le=64, description="Largest shift in pixels: padding of the random crop.")
    flip: bool = Field(False, description="Whether images are mirrored left to right at random.")
    cutout: int = Field(0, ge=0, le=224, description="Side of the square that is blanked, in pixels; 0 blanks none.")
    mixup: float = Field(0.0, ge=0, le=10, description="Both parameters of the Beta distribution; 0 mixes none.")

    @classmethod
    def named(cls, data: str) -> Augmentation:
        """Return the usual augmentation of a named data set."""
        if not isinstance(data, str) or data not in AUGMENTATIONS:
            raise unknown_name("augmentation", data, AUGMENTATIONS)
        return AUGMENTATIONS[data]


# CIFAR-10 and CIFAR-100 as in the code of DT-SNN (arXiv 2305.17346), without its AutoAugment for CIFAR-100.
# Tiny-ImageNet has images of twice the side, so both lengths are doubled. CIFAR10-DVS as in DT-SNN, at 48x48, without
# its rotations. A mirrored digit or gesture may belong to no class or another, so these are only shifted.
AUGMENTATIONS = {
    "cifar10": Augmentation(max_shift=4, flip=True),
    "cifar100": Augmentation(max_shift=4, flip=True, cutout=16),
    "tiny-imagenet": Augmentation(max_shift=8, flip=True, cutout=32),
    "nmnist": Augmentation(max_shift=2),
    "cifar10-dvs": Augmentation(max_shift=5, flip=True),
    "dvs128-gesture": Augmentation(max_shift=5),
}
