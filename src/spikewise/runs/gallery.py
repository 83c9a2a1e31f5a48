"""Pictures of an exit setting: the test images that left first and last, with what the network said of them."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spikewise._files import replacing
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
        try:
            # Opened here, since NumPy leaks its own handle when the file is no archive.
            with open(path, "rb") as handle, np.load(handle, allow_pickle=False) as file:
                found = cls(**{key: file[key] for key in cls.__slots__})
            found._check()
        except (OSError, KeyError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
            problem = str(error).rstrip(".")
            raise DataError(f"{path} must be a gallery; {problem}. Delete it and run the command again.") from None
        return found

    def _check(self) -> None:
        if self.images.dtype != np.uint8 or self.images.ndim != 4 or 0 in self.images.shape[1:]:
            raise ValueError(f"images are {self.images.dtype} {self.images.shape}, not uint8 (B, C, H, W)")
        if any(getattr(self, key).shape != (len(self.images),) for key in self.__slots__[1:]):
            raise ValueError("there is not one label, answer, step and mark per image")
