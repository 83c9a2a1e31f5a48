"""Memory that is used again, and work in parts."""

import gc
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from spikewise.network import arrays as _arrays
from spikewise.network.arrays import each_part, empty, flat, release, tensor_of

LARGE = 1 << 20


@pytest.fixture(autouse=True)
def no_idle_memory():
    release()
    yield
    release()


def test_memory_is_not_handed_out_while_a_tensor_still_looks_at_it():
    first = tensor_of(empty(LARGE, np.float32), (2, LARGE // 2))[1]
    place = first.data_ptr() - 2 * LARGE
    first.fill_(7)
    second = tensor_of(empty(LARGE, np.float32), (LARGE,))
    second.zero_()
    assert first.min() == 7
    del first
    gc.collect()
    assert empty(LARGE, np.float32).ctypes.data == place


def test_ctrl_c_cannot_be_lost_while_an_array_is_deleted():
    # Python drops what is raised in a __del__, and Ctrl-C is raised between two lines of Python code: there are none.
    calls = []
    array = empty(LARGE, np.float32)
    sys.setprofile(lambda frame, event, _: calls.append(frame.f_code.co_name) if event == "call" else None)
    try:
        del array
    finally:
        sys.setprofile(None)
    assert len(_arrays._idle) == 1
    assert calls == []


def test_a_small_array_does_not_occupy_a_large_block():
    large = empty(16 * LARGE, np.float32)
    place = large.ctypes.data
    del large
    assert empty(LARGE, np.float32).ctypes.data != place
    assert empty(4 * LARGE, np.float32).ctypes.data == place


def test_idle_memory_is_bounded():
    arrays = [empty(LARGE, np.uint8) for _ in range(40)]
    places = {array.ctypes.data for array in arrays}
    del arrays
    again = [empty(LARGE, np.uint8) for _ in range(40)]
    assert sum(array.ctypes.data in places for array in again) > 0


def test_idle_memory_is_at_most_a_gigabyte():
    arrays = [empty(300 * LARGE, np.uint8) for _ in range(6)]
    del arrays
    empty(LARGE, np.uint8)
    assert sum(block.nbytes for block in _arrays._idle) <= 1 << 30


def test_no_two_threads_share_a_block():
    def work(number):
        for _ in range(200):
            array = empty(LARGE // 4 + number, np.float32)
            array[:: LARGE // 64] = number
            assert (array[:: LARGE // 64] == number).all()
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(8)))


def test_sixteen_bit_floats_travel_by_their_bits():
    x = torch.tensor([1.0, -2.5, 0.0]).to(torch.bfloat16)
    assert torch.equal(tensor_of(flat(x), (3,)), x)


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("n_rows", [0, 1, 7, 100])
def test_parts_cover_all_rows_once(n_rows, n_threads):
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    seen = np.zeros(n_rows, int)

    def work(part, begin, end):
        seen[begin:end] += 1

    each_part(n_rows, work)
    torch.set_num_threads(before)
    assert (seen == 1).all()
