"""Random variants of images, drawn for a whole batch at once and from a given generator."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from spikewise.errors import ParameterError


def random_shift(images: Tensor, max_shift: int, generator: torch.Generator) -> Tensor:
    """Move each image by its own random offset; what enters is black.

    Parameters
    ----------
    images : Tensor of shape (B, C, H, W)
        Any number type.
    max_shift : int
        Offsets are whole pixels, uniform in -max_shift..max_shift for each axis; 0 changes nothing.
    generator : torch.Generator
        Source of chance, on the CPU.

    Examples
    --------
    >>> images = torch.arange(4.0).reshape(1, 1, 2, 2)
    >>> random_shift(images, 1, torch.Generator().manual_seed(1)).flatten().tolist()
    [1.0, 0.0, 3.0, 0.0]
    """
    if max_shift < 0:
        raise ParameterError(f"max_shift must be at least 0; got {max_shift}.")
    if max_shift == 0:
        return images
    n_samples, _, height, width = images.shape
    corners = torch.randint(2 * max_shift + 1, (2, n_samples), generator=generator).to(images.device)
    rows = corners[0, :, None] + torch.arange(height, device=images.device)
    columns = corners[1, :, None] + torch.arange(width, device=images.device)
    padded = functional.pad(images, (max_shift,) * 4)
    samples = torch.arange(n_samples, device=images.device)
    # Indices around a slice put the channel axis last; it is moved back to where it was.
    return padded[samples[:, None, None], :, rows[:, :, None], columns[:, None, :]].movedim(-1, 1)


def random_flip(images: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror each image left to right with probability one half.

    Parameters are those of :func:`random_shift`.
    """
    flipped = torch.rand(len(images), generator=generator).to(images.device) < 0.5
    return torch.where(flipped[:, None, None, None], images.flip(-1), images)
