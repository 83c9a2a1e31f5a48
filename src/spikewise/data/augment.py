r"""Random augmentation of a whole batch of images at once, with a given generator.

Shift, flip and cutout do not change the label. Mixing two images,

.. math:: x = \lambda x_i + (1 - \lambda) x_j, \qquad
          y = \lambda\, e_{y_i} + (1 - \lambda)\, e_{y_j}, \qquad \lambda \sim \mathrm{Beta}(\alpha, \alpha),

gives a label that is shared by two classes. No function loops over images. All random numbers are drawn on the
CPU, so the results are the same on every device.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from spikewise.errors import ParameterError, ShapeError, whole_number

from .augmentation import Augmentation


def vary(images: Tensor, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """Shift, flip and cut out images, in this order.

    Parameters
    ----------
    images : Tensor of shape (B, C, H, W) or (B, T, C, H, W)
        Any number type. All frames and channels of a sample are treated alike.
    augmentation : Augmentation
        Settings; :func:`mixup` is applied separately.
    generator : torch.Generator
        Random generator on the CPU; equal generators give equal variants.

    Examples
    --------
    >>> images = torch.ones(2, 3, 8, 8, dtype=torch.uint8)
    >>> variants = vary(images, Augmentation.named("cifar10"), torch.Generator().manual_seed(0))
    >>> tuple(variants.shape), variants.dtype
    ((2, 3, 8, 8), torch.uint8)
    """
    if images.ndim not in (4, 5):
        raise ShapeError(f"images must be (B, C, H, W) or (B, T, C, H, W); got {tuple(images.shape)}.")
    # Frames become channels, so that all frames of a recording are shifted, flipped and cut out alike.
    variants = random_shift(images.flatten(1, -3), augmentation.max_shift, generator)
    if augmentation.flip:
        variants = random_flip(variants, generator)
    return random_cutout(variants, augmentation.cutout, generator).reshape(images.shape)


def random_shift(images: Tensor, max_shift: int, generator: torch.Generator) -> Tensor:
    """Shift each image by its own random offset and fill the border with black.

    This equals a random crop of the images padded with ``max_shift`` black pixels.

    Parameters
    ----------
    images : Tensor of shape (B, C, H, W)
        Any number type.
    max_shift : int
        Offsets are whole pixels, uniform in -max_shift..max_shift for each axis; 0 changes nothing.
    generator : torch.Generator
        Random generator on the CPU.

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
    # NumPy-style indexing: index arrays on both sides of a slice move the sliced channel axis to the end.
    return padded[samples[:, None, None], :, rows[:, :, None], columns[:, None, :]].movedim(-1, 1)


def random_flip(images: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror each image left to right with probability one half.

    Parameters are those of :func:`random_shift`.
    """
    flipped = torch.rand(len(images), generator=generator).to(images.device) < 0.5
    return torch.where(flipped[:, None, None, None], images.flip(-1), images)


def random_cutout(images: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Set one square of each image to black; its centre is any pixel, so part of it may lie outside.

    Parameters
    ----------
    images : Tensor of shape (B, C, H, W)
        Any number type.
    size : int
        Side of the square in pixels; 0 changes nothing.
    generator : torch.Generator
        Random generator on the CPU.

    References
    ----------
    .. [1] DeVries, Taylor, "Improved regularization of convolutional neural networks with cutout", 2017.

    Examples
    --------
    >>> random_cutout(torch.ones(1, 1, 2, 4), 1, torch.Generator().manual_seed(0)).sum().item()
    7.0
    """
    if whole_number("size", size, 0) == 0:
        return images
    n_samples, _, *sides = images.shape
    # A square is the product of an interval of rows and one of columns: the mask grows by one axis at a time.
    blank = torch.ones((), dtype=torch.bool, device=images.device)
    for side, axis in zip(sides, (-2, -1), strict=True):
        starts = torch.randint(side, (n_samples, 1), generator=generator).to(images.device) - size // 2
        places = torch.arange(side, device=images.device)
        within = (places >= starts) & (places < starts + size)
        blank = blank & within[:, None].unsqueeze(-1 if axis == -2 else -2)
    return images.masked_fill(blank, 0)


def mixup(
    images: Tensor, labels: Tensor, n_classes: int, alpha: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Mix each image and its label with those of another image of the batch.

    Parameters
    ----------
    images : Tensor of shape (B, ...)
        Floats, or bytes.
    labels : int Tensor of shape (B,)
        Classes.
    n_classes : int
        Number of classes K.
    alpha : float
        Both parameters of the Beta distribution of each image's weight; 0 mixes nothing.
    generator : torch.Generator
        Random generator on the CPU.

    Returns
    -------
    images : Tensor of shape (B, ...)
        Mixed images, floats; bytes are scaled to [0, 1] first.
    targets : float Tensor of shape (B, K)
        Share of each class; a row sums to 1. ``cross_entropy`` takes it in place of labels.

    References
    ----------
    .. [2] Zhang et al., "mixup: Beyond empirical risk minimization", 2018.

    Examples
    --------
    >>> images, labels = torch.tensor([[0.0], [1.0]]), torch.tensor([0, 1])
    >>> mixed, targets = mixup(images, labels, 2, 0.0, torch.Generator())
    >>> targets.tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    if alpha < 0:
        raise ParameterError(f"alpha must be at least 0; got {alpha}.")
    if not images.is_floating_point():  # in integers a quarter of one event would round to 0
        images = images / 255
    targets = functional.one_hot(labels.long(), n_classes).float()
    if alpha == 0:
        return images, targets
    partners = torch.randperm(len(images), generator=generator).to(images.device)
    # torch.distributions.Beta accepts no generator, so NumPy draws, seeded by the given one.
    seed = int(torch.randint(2**62, (), generator=generator))
    share = torch.from_numpy(np.random.default_rng(seed).beta(alpha, alpha, len(images))).float().to(images.device)
    weight = share.reshape(-1, *[1] * (images.ndim - 1))
    return images[partners].lerp(images, weight.to(images.dtype)), targets[partners].lerp(targets, share[:, None])
