import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewise.data.augment import random_flip, random_shift
from spikewise.errors import ParameterError


def generator(seed):
    return torch.Generator().manual_seed(seed)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 3), st.integers(0, 1000))
def test_a_shifted_image_is_the_image_moved_by_whole_pixels(max_shift, seed):
    images = torch.arange(1, 2 * 2 * 4 * 5 + 1, dtype=torch.uint8).reshape(2, 2, 4, 5)
    shifted = random_shift(images, max_shift, generator(seed))
    padded = torch.nn.functional.pad(images, (max_shift,) * 4)
    offsets = range(2 * max_shift + 1)
    for image, whole in zip(shifted, padded, strict=True):
        assert any(torch.equal(image, whole[:, y : y + 4, x : x + 5]) for y in offsets for x in offsets)
    assert shifted.dtype == images.dtype


def test_every_offset_occurs_and_images_move_on_their_own():
    images = torch.zeros(400, 1, 5, 5)
    images[:, :, 2, 2] = 1
    shifted = random_shift(images, 1, generator(0))
    # 9 offsets, 400 draws: the chance that one is missing is below 9 (8/9)^400 < 1e-19.
    assert len({int(image.argmax()) for image in shifted.flatten(1)}) == 9
    assert shifted.sum() == 400


def test_a_flipped_image_is_itself_or_its_mirror():
    images = torch.rand(64, 1, 3, 3, generator=generator(1))
    flipped = random_flip(images, generator(2))
    same = (flipped == images).flatten(1).all(1)
    mirrored = (flipped == images.flip(-1)).flatten(1).all(1)
    assert (same ^ mirrored).all()
    assert 0 < same.sum() < 64


@pytest.mark.parametrize("variant", [lambda x, g: random_shift(x, 2, g), random_flip])
def test_equal_generators_give_equal_variants(variant):
    images = torch.rand(8, 1, 6, 6, generator=generator(3))
    assert torch.equal(variant(images, generator(4)), variant(images, generator(4)))


def test_a_negative_shift_is_refused():
    with pytest.raises(ParameterError, match="max_shift"):
        random_shift(torch.zeros(1, 1, 2, 2), -1, generator(0))
