"""Training by several processes: each computes a share of every batch, and the result is that of a single one.

Loss, gradients and the statistics of batch normalisation are sums over images, so one operation is enough: a sum over
all processes. It is its own derivative, since what one process adds reaches all of them. ``torchrun`` or ``accelerate
launch`` start the processes and describe them by environment variables; without these there is one process.
"""

import atexit
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from spikewise.errors import ParameterError


@dataclass(frozen=True, slots=True)
class Processes:
    """Rank of this process, and number of processes.

    Examples
    --------
    >>> Processes(rank=1, size=2).mine(torch.arange(5)).tolist()
    [1, 3]
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes files."""
        return self.rank == 0

    def mine(self, rows: Tensor) -> Tensor:
        """Return the rows of a batch that this process computes."""
        return rows[self.rank :: self.size]

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over the processes."""
        if self.size == 1:
            return
        for dtype in dict.fromkeys(tensor.dtype for tensor in tensors):  # in the same order everywhere
            same = [tensor for tensor in tensors if tensor.dtype == dtype]
            flat = torch.cat([tensor.flatten() for tensor in same])  # one message, not one per layer
            dist.all_reduce(flat)
            parts = torch.split(flat, [tensor.numel() for tensor in same])
            for tensor, part in zip(same, parts, strict=True):
                tensor.copy_(part.view_as(tensor))

    def check_batch(self, batch_size: int) -> None:
        """Raise ParameterError if a process would get fewer than two images."""
        if batch_size < 2 * self.size:
            raise ParameterError(
                f"batch_size must leave each of the {self.size} processes two images; got {batch_size}. Raise it."
            )

    def check_same(self, numbers: Sequence[float], device: torch.device) -> None:
        """Raise ParameterError if another process has other numbers: their gradients must not be added."""
        found = torch.tensor(numbers, dtype=torch.float64, device=device)
        # Equal numbers add up to a multiple; a checksum of 32 bits stays exact in double precision.
        total = found.clone()
        self.add_up([total])
        if not torch.equal(total, found * self.size):
            raise ParameterError(
                "all processes must begin with the same weights, from the same checkpoint; got others. "
                "Let all of them see the checkpoint, or none."
            )


def this_process() -> Processes:
    """Read rank and number of the processes from the environment variables of the launcher."""
    rank, size, local = (int(os.environ.get(name, 0)) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    return Processes(rank, size, local) if size > 1 else Processes()


def connect(device: torch.device) -> Processes:
    """Join the other processes of this launch, if there are any, until the program ends."""
    processes = this_process()
    if processes.size > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        atexit.register(dist.destroy_process_group)
    return processes


@contextmanager
def shared_statistics(model: nn.Module, processes: Processes) -> Iterator[None]:
    """Let batch normalisation use the images of all processes within the block.

    If it is fused with neurons, the fused operation calls ``add_up``; otherwise the replaced ``forward`` adds up.
    """
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)] if processes.size > 1 else []
    for norm in norms:
        # Attributes of the instance, which do not show in the state that is saved.
        norm.forward = partial(_normalize_together, norm)  # type: ignore[method-assign]
        vars(norm)["add_up"] = processes.add_up
    try:
        yield
    finally:
        for norm in norms:
            del norm.forward, vars(norm)["add_up"]


class _Total(torch.autograd.Function):
    """Sum over the processes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return _total(grads[0])


def _normalize_together(norm: _BatchNorm, x: Tensor) -> Tensor:
    """Apply batch normalisation to x (M, C, ...), with the statistics of all processes."""
    if not norm.training:
        return type(norm).forward(norm, x)
    wide = x if x.dtype == torch.float64 else x.float()
    axes, shape = [0, *range(2, x.ndim)], (1, -1, *[1] * (x.ndim - 2))
    count = wide.new_tensor([x.numel() // x.shape[1]])
    sums = _total(torch.cat([wide.sum(axes), count]))
    # The count is not a function of x, so it gets no gradient.
    n, mean = sums[-1].detach(), sums[:-1] / sums[-1].detach()
    centred = wide - mean.view(shape)  # two passes: a difference of squares would lose digits
    variance = _total(centred.square().sum(axes)) / n
    if norm.running_mean is not None and norm.running_var is not None and norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
        share = 1 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
        norm.running_mean.lerp_(mean.detach().to(norm.running_mean), share)
        norm.running_var.lerp_((variance.detach() * n / (n - 1)).to(norm.running_var), share)
    normal = centred * (variance + norm.eps).rsqrt().view(shape)
    if norm.affine:
        normal = normal * norm.weight.view(shape) + norm.bias.view(shape)
    return normal.to(x.dtype)


def _total(x: Tensor) -> Tensor:
    total: Tensor = _Total.apply(x)  # type: ignore[no-untyped-call]
    return total
