import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from spikewise.errors import ParameterError, ShapeError
from spikewise.search.front import hypervolume, is_on_front

POINTS = arrays(
    np.float64, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=7), elements=st.integers(0, 6).map(float)
)


@given(POINTS)
def test_the_front_is_what_nobody_dominates(points):
    def dominates(a, b):
        return all(x <= y for x, y in zip(a, b, strict=True)) and any(x < y for x, y in zip(a, b, strict=True))

    expected = [not any(dominates(other, point) for other in points) for point in points]
    assert is_on_front(points).tolist() == expected


@given(POINTS)
def test_the_volume_is_that_of_the_cells_it_covers(points):
    n_objectives = min(points.shape[1], 3)
    points, worst = points[:, :n_objectives], np.full(n_objectives, 5.0)
    cells = np.stack(np.meshgrid(*[np.arange(5)] * n_objectives, indexing="ij"), -1).reshape(-1, n_objectives)
    covered = (points[None] <= cells[:, None]).all(2).any(1)
    assert hypervolume(points, worst) == covered.sum()


@given(POINTS)
def test_dominated_points_add_nothing(points):
    worst = np.full(points.shape[1], 6.0)
    assert hypervolume(points, worst) == pytest.approx(hypervolume(points[is_on_front(points)], worst))


def test_what_is_no_objective_is_refused():
    with pytest.raises(ShapeError, match=r"\(N, M\)"):
        is_on_front([1.0, 2.0])
    with pytest.raises(ParameterError, match="finite"):
        is_on_front([[np.nan, 1.0]])
    with pytest.raises(ShapeError, match="2 numbers"):
        hypervolume([[1.0, 2.0]], [3.0])
