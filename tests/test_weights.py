import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikewise.errors import DataError, ParameterError
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


def test_a_folder_is_refused_and_nobody_is_told_to_delete_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in (".", tmp_path):
        with pytest.raises(ParameterError, match="must be a file of weights; got the folder") as writing:
            write_weights(folder, {"w": np.ones(3)}, CARD)
        with pytest.raises(DataError, match="it is a folder") as reading:
            read_weights(folder, "test-1")
        assert all("Delete" not in str(caught.value) for caught in (writing, reading))
    assert not list(tmp_path.iterdir())


def test_damage_is_noticed(tmp_path):
    path = tmp_path / "model.safetensors"
    write_weights(path, {"w": np.ones(100)}, CARD)
    whole = path.read_bytes()
    for damaged in (b"", whole[:50], whole[:-8], b"\xff" * 8 + whole[8:], b"pickle me"):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"model\.safetensors"):
            read_weights(path, "test-1")


@given(st.data())
def test_any_flipped_bit_is_noticed(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    write_weights(path, {"w": np.arange(4.0), "n": np.array(3)}, CARD, sidecar=False)
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"without one, delete it and train again\.$"):
        read_weights(path, "test-1")


def test_equal_weights_are_equal_files_whatever_their_layout(tmp_path):
    array = np.arange(6.0).reshape(2, 3)
    for name, same in {"a": array, "b": np.asfortranarray(array), "c": array.astype(">f8")}.items():
        write_weights(tmp_path / name, {"w": same}, CARD, sidecar=False)
        np.testing.assert_array_equal(read_weights(tmp_path / name, "test-1")[0]["w"], array)
    assert len({(tmp_path / name).read_bytes() for name in "abc"}) == 1


def test_another_kind_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    write_weights(path, {"w": np.ones(1)}, CARD, sidecar=False)
    assert not path.with_suffix(".json").exists()
    with pytest.raises(DataError, match="another kind"):
        read_weights(path, "test-2")
    with pytest.raises(DataError, match=r"absent.*No such file or directory\. Check the path"):
        read_weights(tmp_path / "absent", "test-1")
