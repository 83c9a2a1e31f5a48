"""Laws of splits by content."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from spikewise.data.splits import (
    content_digests,
    content_sha256,
    rank_by_content,
    stratified_folds,
    stratified_holdout,
)
from spikewise.errors import ParameterError, ShapeError


@st.composite
def distinct_samples(draw):
    """Up to 60 samples, each different from all others, in up to 4 classes."""
    n = draw(st.integers(2, 60))
    values = draw(st.permutations(range(n)))
    images = np.array(values, np.uint8).reshape(n, 1, 1, 1) * np.ones((1, 1, 2, 2), np.uint8)
    return images, np.array(draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))


@st.composite
def repeated_samples(draw):
    """Up to 40 samples of three pixel values, so that many are exact duplicates."""
    n = draw(st.integers(2, 40))
    images = draw(arrays(np.uint8, (n, 2), elements=st.integers(0, 2)))
    return images, draw(arrays(np.int64, n, elements=st.integers(0, 2)))


FRACTIONS = st.floats(0, 1)


@given(repeated_samples(), FRACTIONS)
def test_the_two_sides_are_disjoint_and_exhaustive(samples, fraction):
    kept, held_out = stratified_holdout(*samples, fraction)
    assert sorted([*kept, *held_out]) == list(range(len(samples[1])))


@given(distinct_samples(), FRACTIONS)
def test_each_class_gives_up_its_share_within_one(samples, fraction):
    images, labels = samples
    _, held_out = stratified_holdout(images, labels, fraction)
    for label in np.unique(labels):
        share = fraction * np.sum(labels == label)
        assert abs(np.sum(labels[held_out] == label) - share) <= 0.5 + 1e-9


@given(repeated_samples(), FRACTIONS)
def test_each_class_gives_up_its_share_within_its_largest_group_of_duplicates(samples, fraction):
    images, labels = samples
    _, held_out = stratified_holdout(images, labels, fraction)
    for label in np.unique(labels):
        group = np.unique(images[labels == label], axis=0, return_counts=True)[1].max()
        assert abs(np.sum(labels[held_out] == label) - fraction * np.sum(labels == label)) <= (group + 1) / 2


@given(repeated_samples(), FRACTIONS, st.randoms(use_true_random=False))
def test_shuffling_the_input_picks_the_same_samples_in_the_same_order(samples, fraction, random):
    images, labels = samples
    order = np.array(random.sample(range(len(labels)), len(labels)))
    for one, other in zip(
        stratified_holdout(images, labels, fraction),
        stratified_holdout(images[order], labels[order], fraction),
        strict=True,
    ):
        np.testing.assert_array_equal(images[one], images[order][other])
        np.testing.assert_array_equal(labels[one], labels[order][other])


@given(repeated_samples(), FRACTIONS, st.integers(2, 5))
def test_exact_duplicates_stay_together(samples, fraction, n_folds):
    images, labels = samples
    _, held_out = stratified_holdout(images, labels, fraction)
    is_held_out = np.isin(np.arange(len(labels)), held_out)
    folds = stratified_folds(images, labels, min(n_folds, len(labels)))
    content = np.column_stack([images, labels])
    for group in np.unique(content, axis=0):
        members = (content == group).all(1)
        assert len(set(is_held_out[members])) == len(set(folds[members])) == 1


@given(repeated_samples(), FRACTIONS, FRACTIONS)
def test_a_larger_fraction_holds_out_a_superset(samples, one, other):
    small, large = sorted([one, other])
    assert set(stratified_holdout(*samples, small)[1]) <= set(stratified_holdout(*samples, large)[1])


@given(distinct_samples(), st.integers(2, 6))
def test_folds_have_equal_sizes_within_one_in_all_and_per_class(samples, n_folds):
    images, labels = samples
    n_folds = min(n_folds, len(labels))
    folds = stratified_folds(images, labels, n_folds)
    for members in [np.ones(len(labels), bool), *(labels == label for label in np.unique(labels))]:
        sizes = np.bincount(folds[members], minlength=n_folds)
        assert len(sizes) == n_folds
        assert np.ptp(sizes) <= 1


@given(repeated_samples(), st.integers(2, 5))
def test_folds_differ_by_at_most_a_group_of_duplicates_per_class(samples, n_folds):
    images, labels = samples
    n_folds = min(n_folds, len(labels))
    folds = stratified_folds(images, labels, n_folds)
    for label in np.unique(labels):
        group = np.unique(images[labels == label], axis=0, return_counts=True)[1].max()
        sizes = np.bincount(folds[labels == label], minlength=n_folds)
        assert np.abs(sizes - sizes.mean()).max() <= group


@given(repeated_samples(), st.integers(2, 5), st.randoms(use_true_random=False))
def test_folds_move_with_their_samples(samples, n_folds, random):
    images, labels = samples
    order = np.array(random.sample(range(len(labels)), len(labels)))
    n_folds = min(n_folds, len(labels))
    folds = stratified_folds(images, labels, n_folds)
    np.testing.assert_array_equal(stratified_folds(images[order], labels[order], n_folds), folds[order])


@given(repeated_samples(), st.randoms(use_true_random=False))
def test_the_hash_of_a_set_does_not_depend_on_its_order(samples, random):
    images, labels = samples
    order = np.array(random.sample(range(len(labels)), len(labels)))
    assert content_sha256(images, labels) == content_sha256(images[order], labels[order])


@given(distinct_samples(), st.data())
@settings(max_examples=30)
def test_the_hash_of_a_set_changes_with_a_pixel_a_label_or_a_sample(samples, data):
    images, labels = samples
    place = data.draw(st.integers(0, len(labels) - 1))
    other_images, other_labels = images.copy(), labels.copy()
    other_images[place] += 100
    other_labels[place] += 1
    hashes = [
        content_sha256(images, labels),
        content_sha256(other_images, labels),
        content_sha256(images, other_labels),
        content_sha256(np.append(images, images[:1], axis=0), np.append(labels, labels[0])),
        content_sha256(images.reshape(len(images), 4), labels),
    ]
    assert len(set(hashes)) == len(hashes)


def test_the_order_by_content_is_not_sorted_by_class():
    images, labels = np.arange(200, dtype=np.uint8).reshape(200, 1), np.repeat([0, 1], 100)
    first = labels[rank_by_content(images, labels)][:100]
    assert 30 <= first.sum() <= 70  # binomial with mean 50; the deviation of 20 is four sigmas


def test_the_digest_is_the_documented_one():
    from hashlib import blake2b

    digest = blake2b(b"\x01\x02", digest_size=16, salt=(7).to_bytes(8, "little")).digest()
    assert content_digests(np.array([[1, 2]], np.uint8), [7]).tobytes() == digest


def test_non_contiguous_images_have_the_digests_of_their_copies():
    images = np.arange(24, dtype=np.uint8).reshape(2, 3, 4).transpose(1, 0, 2)
    np.testing.assert_array_equal(content_digests(images, [0, 1, 0]), content_digests(images.copy(), [0, 1, 0]))


@pytest.mark.parametrize(
    ("images", "labels", "error"),
    [
        (np.zeros((2, 3)), [0], ShapeError),
        (np.zeros((0, 3)), np.zeros(0, int), ShapeError),
        (np.zeros(3), [0, 0, 0], ShapeError),
        (np.zeros((2, 3)), [0.0, 1.0], ParameterError),
    ],
)
def test_samples_that_do_not_fit_are_refused(images, labels, error):
    with pytest.raises(error):
        content_digests(images, labels)


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan")])
def test_a_fraction_outside_the_unit_interval_is_refused(fraction):
    with pytest.raises(ParameterError, match="fraction must lie in"):
        stratified_holdout(np.zeros((2, 1)), [0, 1], fraction)


@pytest.mark.parametrize("n_folds", [1, 3])
def test_a_number_of_folds_that_cannot_be_filled_is_refused(n_folds):
    with pytest.raises(ParameterError, match=r"n_folds must lie in 2\.\.2"):
        stratified_folds(np.zeros((2, 1)), [0, 1], n_folds)
