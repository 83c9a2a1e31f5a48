"""Laws of the variants: where each pixel comes from, how much is blank, and that labels stay whole."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewise.data.augment import mixup, random_cutout, random_flip, random_shift, vary
from spikewise.data.augmentation import AUGMENTATIONS, Augmentation
from spikewise.errors import ParameterError, ShapeError


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


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 9), st.integers(0, 1000))
def test_a_cutout_is_one_square_cut_off_at_the_border(size, seed):
    images = torch.ones(8, 2, 6, 7, dtype=torch.uint8)
    for image in random_cutout(images, size, generator(seed)):
        blank = image[0] == 0
        assert torch.equal(image[0], image[1])
        rows, columns = blank.any(1), blank.any(0)
        assert torch.equal(blank, rows[:, None] & columns)
        for line, side in ((rows, 6), (columns, 7)):
            places = line.nonzero().flatten()
            assert places[-1] - places[0] + 1 == len(places) <= size
            assert len(places) == size or places[0] == 0 or places[-1] == side - 1
            assert len(places) >= min(size - size // 2, side)  # its middle is a pixel of the image


def test_the_middle_of_a_cutout_may_be_any_pixel():
    blank = random_cutout(torch.ones(600, 1, 4, 4), 1, generator(0)) == 0
    # 16 pixels, 600 draws: the chance that one is missing is below 16 (15/16)^600 < 1e-15.
    assert blank.any(0).all()
    assert blank.sum() == 600


@settings(max_examples=25, deadline=None)
@given(st.floats(0.05, 5), st.integers(0, 1000))
def test_mixed_labels_are_shares_and_say_how_the_images_were_mixed(alpha, seed):
    labels = torch.arange(10) % 4
    images = torch.nn.functional.one_hot(labels, 4).float()  # an image that is its own label
    mixed, targets = mixup(images, labels, 4, alpha, generator(seed))
    torch.testing.assert_close(targets.sum(1), torch.ones(10))
    assert (targets >= 0).all()
    assert ((targets > 0).sum(1) <= 2).all()
    torch.testing.assert_close(mixed, targets)


def test_bytes_are_mixed_in_the_unit_range_so_that_single_events_count():
    images = torch.randint(2, (32, 1, 3, 3), dtype=torch.uint8, generator=generator(1))
    labels = torch.arange(32)
    mixed, targets = mixup(images, labels, 32, 1.0, generator(2))
    exact = torch.einsum("bk,kchw->bchw", targets, images.float()) / 255
    torch.testing.assert_close(mixed, exact)


def test_without_mixing_the_images_stay_and_the_targets_are_one_hot():
    images, labels = torch.rand(3, 1, 2, 2), torch.tensor([2, 0, 1])
    mixed, targets = mixup(images, labels, 3, 0.0, generator(0))
    assert mixed is images
    assert torch.equal(targets.argmax(1), labels)


def test_all_frames_of_a_recording_are_varied_alike():
    frame = torch.rand(6, 1, 2, 8, 8, generator=generator(1))
    frames = frame.expand(6, 4, 2, 8, 8)
    variants = vary(frames, Augmentation(max_shift=2, flip=True, cutout=3), generator(2))
    assert variants.shape == frames.shape
    assert torch.equal(variants, variants[:, :1].expand_as(variants))
    one = vary(frame, Augmentation(max_shift=2, flip=True, cutout=3), generator(2))
    assert torch.equal(variants[:, :1], one)


def test_the_default_changes_nothing():
    images = torch.rand(4, 3, 5, 5)
    assert torch.equal(vary(images, Augmentation(), generator(0)), images)


def test_images_that_are_none_are_refused():
    with pytest.raises(ShapeError, match="B, C, H, W"):
        vary(torch.zeros(3, 4), Augmentation(), generator(0))


def test_an_augmentation_is_known_by_the_name_of_its_data():
    for name, known in AUGMENTATIONS.items():
        assert Augmentation.named(name) == known
    with pytest.raises(ParameterError, match="Did you mean 'cifar100'"):
        Augmentation.named("cifar-100")


@pytest.mark.parametrize(
    "variant",
    [
        lambda x, g: random_shift(x, 2, g),
        random_flip,
        lambda x, g: random_cutout(x, 3, g),
        lambda x, g: mixup(x, torch.arange(8), 8, 0.4, g)[0],
        lambda x, g: vary(x, Augmentation(max_shift=1, flip=True, cutout=2), g),
    ],
)
def test_equal_generators_give_equal_variants(variant):
    images = torch.rand(8, 1, 6, 6, generator=generator(3))
    assert torch.equal(variant(images, generator(4)), variant(images, generator(4)))


@pytest.mark.parametrize(
    ("variant", "name"),
    [
        (lambda x: random_shift(x, -1, generator(0)), "max_shift"),
        (lambda x: random_cutout(x, -1, generator(0)), "size"),
        (lambda x: mixup(x, torch.zeros(1).long(), 2, -0.1, generator(0)), "alpha"),
    ],
)
def test_a_negative_strength_is_refused(variant, name):
    with pytest.raises(ParameterError, match=name):
        variant(torch.zeros(1, 1, 2, 2))
