"""Pictures of an exit setting: the test images that left first and last, with what the network said of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spikewise._arrays import read_npz
from spikewise._files import mendable, replacing
from spikewise.errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class Gallery:
    """The images (B, C, H, W) that left first and last, with true class, answer and exit step (B,) of each."""

    images: NDArray[np.uint8]
    labels: NDArray[np.integer]
    predicted: NDArray[np.integer]
    steps: NDArray[np.integer]
    is_easy: NDArray[np.bool_]

    def write(self, path: Path) -> None:
        """Write ``gallery.npz``, atomically."""
        with replacing(path) as handle:
            np.savez_compressed(handle, **{key: getattr(self, key) for key in self.__slots__})

    @classmethod
    def read(cls, path: Path) -> Gallery:
        """Read ``gallery.npz``; raises DataError if it is not one."""
        with mendable(path):
            found = cls(**read_npz(path, cls.__slots__, what="gallery"))
            found._check()
        return found

    def _check(self) -> None:
        if self.images.dtype != np.uint8 or self.images.ndim != 4 or 0 in self.images.shape[1:]:
            found = f"{self.images.dtype} {self.images.shape}"
            raise DataError(f"images of a gallery must be uint8 (B, C, H, W); got {found}.")
        if any(getattr(self, key).shape != (len(self.images),) for key in self.__slots__[1:]):
            raise DataError("a gallery must have one label, answer, step and mark per image; it has not.")
        for key in self.__slots__[1:]:
            values = getattr(self, key)
            if values.dtype.kind != ("b" if key == "is_easy" else "i"):
                raise DataError(f"{key} of a gallery must be whole numbers, is_easy true or false; got {values.dtype}.")
