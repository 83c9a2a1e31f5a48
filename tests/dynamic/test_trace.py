import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewise.dynamic import EntropyExit, NeverExit, ScoreTrace, random_exit_accuracy, replay_exit
from spikewise.errors import DataError, ParameterError, ShapeError

SCORES = np.random.default_rng(0).normal(size=(3, 4, 5)).cumsum(0)


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 7))
@settings(max_examples=30, deadline=None)
def test_change_points_replay_the_dense_scores(seed, n_steps, n_samples):
    rng = np.random.default_rng(seed)
    changes = rng.random((n_steps, n_samples)) < 0.5
    dense = np.zeros((n_steps, n_samples, 3))
    current = np.zeros((n_samples, 3))
    for t in range(n_steps):
        current[changes[t]] = rng.normal(size=(changes[t].sum(), 3))
        dense[t] = current
    steps, samples = np.nonzero(changes)
    shuffle = rng.permutation(len(steps))
    trace = ScoreTrace.from_changes(
        steps[shuffle] + 1, samples[shuffle], dense[steps, samples][shuffle], n_steps, np.zeros(n_samples)
    )
    np.testing.assert_array_equal([s.copy() for s in trace.steps()], dense)
    np.testing.assert_array_equal(trace.final_scores(), dense[-1])
    same = ScoreTrace.dense(dense, np.zeros(n_samples))
    np.testing.assert_array_equal(trace.accuracy_by_step(), same.accuracy_by_step())


def test_sparse_traces_are_small():
    # 350 steps of 1000 images with 5 output spikes each: 5000 rows instead of 350000.
    rng = np.random.default_rng(0)
    samples = np.repeat(np.arange(1000), 5)
    steps = np.concatenate([rng.choice(350, 5, replace=False) + 1 for _ in range(1000)])
    trace = ScoreTrace.from_changes(steps, samples, np.zeros((5000, 10), np.float32), 350, np.zeros(1000))
    assert trace.scores.nbytes + trace.samples.nbytes < 350 * 1000 * 10 * 4 / 60


def test_a_trace_survives_its_file(tmp_path):
    trace = ScoreTrace.dense(SCORES, [0, 1, 2, 3])
    trace.write(tmp_path / "trace.npz")
    again = ScoreTrace.read(tmp_path / "trace.npz")
    np.testing.assert_array_equal([s.copy() for s in again.steps()], SCORES)
    np.testing.assert_array_equal(again.labels, trace.labels)
    assert [p.name for p in tmp_path.iterdir()] == ["trace.npz"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip", b"hello"])
def test_a_broken_file_is_named(tmp_path, content):
    (tmp_path / "trace.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"trace\.npz"):
        ScoreTrace.read(tmp_path / "trace.npz")


def test_a_pickled_file_is_refused(tmp_path):
    np.savez(tmp_path / "evil.npz", change_offsets=np.array([object()], object))
    with pytest.raises(DataError, match="score trace"):
        ScoreTrace.read(tmp_path / "evil.npz")


def test_a_rule_that_is_never_ready_gives_the_full_answer():
    trace = ScoreTrace.dense(SCORES)
    steps, classes = replay_exit(trace, NeverExit())
    assert (steps == 3).all()
    np.testing.assert_array_equal(classes, SCORES[-1].argmax(1))


def test_a_rule_that_is_always_ready_stops_at_the_first_step():
    steps, classes = replay_exit(ScoreTrace.dense(SCORES), EntropyExit(2.0))
    assert (steps == 1).all()
    np.testing.assert_array_equal(classes, SCORES[0].argmax(1))


@pytest.mark.parametrize(
    ("kwargs", "error", "words"),
    [
        ({"score_sum": np.zeros((2, 3))}, ShapeError, "T, B, K"),
        ({"score_sum": np.zeros((2, 3, 1))}, ParameterError, "at least 2 classes"),
        ({"score_sum": np.full((2, 3, 2), np.nan)}, ParameterError, "finite"),
        ({"score_sum": np.zeros((2, 3, 2)), "labels": [0, 1, 2]}, ParameterError, "labels must lie below"),
        ({"score_sum": np.zeros((2, 3, 2)), "labels": [0, 1]}, ParameterError, "samples must lie"),
        ({"score_sum": np.zeros((2, 3, 2)), "labels": [0.0, 1.0, 0.7]}, ParameterError, "labels must hold whole"),
        ({"score_sum": np.zeros((2, 3, 2)), "labels": [0, 1, -5]}, ParameterError, "class numbers"),
        ({"score_sum": np.zeros((2, 3, 2)), "labels": list("abc")}, ParameterError, "labels must be real numbers"),
    ],
)
def test_bad_scores_are_refused(kwargs, error, words):
    with pytest.raises(error, match=words):
        ScoreTrace.dense(**kwargs)


@pytest.mark.parametrize(
    ("steps", "samples", "words"),
    [
        ([0], [0], "steps must lie"),
        ([3], [0], "steps must lie"),
        ([1, 1], [0, 0], "at most once"),
        ([1], [2], "lie in"),
    ],
)
def test_impossible_changes_are_refused(steps, samples, words):
    with pytest.raises(ParameterError, match=words):
        ScoreTrace.from_changes(steps, samples, np.zeros((len(steps), 2)), 2, [0, 0])


def test_accuracy_needs_labels():
    with pytest.raises(ParameterError, match="label of every sample"):
        ScoreTrace.dense(SCORES).accuracy_by_step()
    with pytest.raises(ParameterError, match="label of every sample"):
        random_exit_accuracy(ScoreTrace.dense(SCORES, [0, 1, 2, -1]), [4, 0, 0])
    with pytest.raises(ShapeError, match="3 counts"):
        random_exit_accuracy(ScoreTrace.dense(SCORES, [0, 1, 2, 3]), [1, 2])
