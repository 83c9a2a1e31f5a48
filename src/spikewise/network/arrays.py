"""Pass tensors to compiled loops and back: flat arrays, several threads, reused memory.

Fresh memory is not free: the system clears every page of it at the first touch, which takes longer than a pass of a
good loop. A training step asks for the same few large arrays again and again, so this module keeps arrays that are no
longer used and hands them out again.
"""

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

N_PARTS = 8
"""Number of parts into which work is cut: fixed, so that sums do not depend on the number of threads."""

_LARGE = 1 << 20  # bytes; below, the allocator reuses memory anyhow
_KEPT = 16  # blocks
_KEPT_BYTES = 1 << 30
_MAY_EXCEED = 4  # how much larger than asked a block may be: runs of one to four timesteps share theirs

_idle: deque[Any] = deque(maxlen=_KEPT)  # the longest idle goes first


class _Lease:
    """Owner of an array's memory block, which becomes idle once the array and all views of it are deleted."""

    # Arrays are deleted at any moment, also at that of Ctrl-C, and Python drops a KeyboardInterrupt that is raised in a
    # __del__. A finaliser without Python code cannot be interrupted: a slot that holds a call of C.
    __slots__ = ("__array_interface__", "__del__")

    def __init__(self, block: Any) -> None:
        self.__array_interface__ = block.__array_interface__
        self.__del__ = partial(_idle.append, block)


def empty(n: int, dtype: Any) -> Any:
    """Return a flat, uninitialised array of n elements that begins at a cache line.

    Examples
    --------
    >>> empty(3, np.float32).shape
    (3,)
    """
    n_bytes = n * np.dtype(dtype).itemsize
    if n_bytes < _LARGE:
        return _new(n_bytes).view(dtype)
    return np.asarray(_Lease(_block(n_bytes)))[:n_bytes].view(dtype)


def release() -> None:
    """Give idle memory back to the system."""
    _idle.clear()


def _block(n_bytes: int) -> Any:
    """Return the smallest idle block that fits, or a new one."""
    # Any thread may delete an array, and so append its block, at any moment: take all blocks off the list first.
    blocks = []
    with suppress(IndexError):
        while True:
            blocks.append(_idle.popleft())
    fitting = [block for block in blocks if n_bytes <= block.nbytes <= _MAY_EXCEED * n_bytes]
    best = min(fitting, key=lambda block: block.nbytes, default=None)
    total = 0
    for block in reversed(blocks):  # the latest first
        total += block.nbytes
        if block is not best and total <= _KEPT_BYTES:
            _idle.appendleft(block)
    return _new(n_bytes) if best is None else best


def _new(n_bytes: int) -> Any:
    """Allocate with torch, which aligns to 64 bytes; memory of NumPy may straddle cache lines."""
    return torch.empty(n_bytes, dtype=torch.uint8, device="cpu").numpy()


def flat(tensor: Tensor) -> Any:
    """Return a CPU tensor as a flat array, without a copy if it is contiguous; bfloat16 becomes uint16, bit by bit."""
    values = tensor.detach().contiguous().view(-1)
    return values.view(torch.uint16).numpy() if values.dtype == torch.bfloat16 else values.numpy()


def tensor_of(values: Any, shape: tuple[int, ...]) -> Tensor:
    """Return a tensor that shares the memory of a flat array; uint16 becomes bfloat16. Inverse of :func:`flat`."""
    tensor = torch.from_numpy(values)
    return (tensor.view(torch.bfloat16) if values.dtype == np.uint16 else tensor).view(shape)


def each_part(n_rows: int, work: Callable[[int, int, int], None]) -> None:
    """Call ``work`` with number, begin and end of each part of the rows, on as many threads as torch uses."""
    bounds = [n_rows * part // N_PARTS for part in range(N_PARTS + 1)]
    n_threads = min(torch.get_num_threads(), N_PARTS)
    if n_threads == 1:
        for part in range(N_PARTS):
            work(part, bounds[part], bounds[part + 1])
    else:
        list(_pool(n_threads).map(work, range(N_PARTS), bounds, bounds[1:]))


@cache
def _pool(n_threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n_threads, thread_name_prefix="norm-lif")


if hasattr(os, "register_at_fork"):  # threads do not survive a fork
    os.register_at_fork(after_in_child=_pool.cache_clear)
