"""Controls that stand beside early exit."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spikewise.dynamic.controls import cut_at, stop_at_first_spike
from spikewise.dynamic.trace import ScoreTrace


@st.composite
def traces(draw):
    n_steps, n_samples, seed = draw(st.integers(1, 12)), draw(st.integers(1, 8)), draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    changes = np.argwhere(rng.random((n_steps, n_samples)) < draw(st.sampled_from([0.0, 0.2, 0.9])))
    return ScoreTrace.from_changes(
        changes[:, 0] + 1, changes[:, 1], rng.normal(size=(len(changes), 3)), n_steps, rng.integers(0, 3, n_samples)
    )


@given(traces())
def test_the_first_spike_is_the_first_change_of_each_sample(trace):
    steps, right = [], []
    for sample in range(trace.n_samples):
        step, scores = trace.n_steps, np.zeros(3)
        for t in range(trace.n_steps, 0, -1):
            who, values = trace.changes(t)
            if sample in who:
                step, scores = t, values[list(who).index(sample)]
        steps.append(step)
        right.append(scores.argmax() == trace.labels[sample])
    assert stop_at_first_spike(trace) == (np.mean(right), np.mean(steps))


@given(st.floats(1, 350))
def test_a_cut_is_a_step_as_near_as_can_be(mean_steps):
    assert 1 <= cut_at(mean_steps) <= 350
    assert abs(cut_at(mean_steps) - mean_steps) <= 0.5
