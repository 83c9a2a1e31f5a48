import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikewise.errors import DataError
from spikewise.weights import read_weights, write_weights

CARD = {"format": "test-1", "theta": [1.5]}


@given(hnp.arrays(np.float32, hnp.array_shapes(max_dims=3), elements=st.floats(width=32, allow_nan=False)))
def test_arrays_and_card_come_back(tmp_path_factory, array):
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    write_weights(path, {"w": array, "turned": array.T}, CARD)
    tensors, card = read_weights(path, "test-1")
    np.testing.assert_array_equal(tensors["w"], array)
    np.testing.assert_array_equal(tensors["turned"], array.T)
    assert card == CARD == json.loads(path.with_suffix(".json").read_text())


def test_damage_is_noticed(tmp_path):
    path = tmp_path / "model.safetensors"
    write_weights(path, {"w": np.ones(100)}, CARD)
    whole = path.read_bytes()
    for damaged in (b"", whole[:50], whole[:-8], b"\xff" * 8 + whole[8:], b"pickle me"):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"model\.safetensors"):
            read_weights(path, "test-1")


def test_another_kind_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    write_weights(path, {"w": np.ones(1)}, CARD, sidecar=False)
    assert not path.with_suffix(".json").exists()
    with pytest.raises(DataError, match="another kind"):
        read_weights(path, "test-2")
    with pytest.raises(DataError, match="absent"):
        read_weights(tmp_path / "absent", "test-1")
