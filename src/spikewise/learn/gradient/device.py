"""Device, number type and threads of training; by default the fastest that the machine has.

Mixed precision keeps weights in float32 and computes activations in bfloat16. That pays on GPUs and on processors with
matrix units for it (AMX); other processors emulate it, so float32 is faster there.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

from spikewise.errors import ParameterError

Precision = Literal["auto", "float32", "bfloat16"]


def choose_device(name: str, local_rank: int = 0) -> torch.device:
    """Return the device of that name; ``auto`` is a GPU if there is one, and a different one for each process.

    Examples
    --------
    >>> choose_device("cpu")
    device(type='cpu')
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name, local_rank) if name == "cuda" else torch.device(name)
        # The name alone says nothing: only an allocation shows whether the device works.
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        there = ", ".join(["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))])
        raise ParameterError(f"device must be one that this machine has ({there}); got {name!r}.") from None
    return device


def choose_precision(name: Precision, device: torch.device) -> torch.dtype:
    """Return the type of the activations; ``auto`` is bfloat16 only if the device computes it natively.

    Examples
    --------
    >>> choose_precision("float32", torch.device("cpu"))
    torch.float32
    """
    is_short = name == "bfloat16" or (name == "auto" and _is_bfloat16_native(device))
    return torch.bfloat16 if is_short else torch.float32


def _is_bfloat16_native(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Not part of torch's public interface, so a later version may lack it.
    return device.type == "cpu" and bool(getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)())


@contextmanager
def thread_count(n_threads: int) -> Iterator[None]:
    """Use this many CPU threads within the block; 0 changes nothing."""
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
