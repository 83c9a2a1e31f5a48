r"""Muon: momentum with orthogonalised steps, for the matrices between first layer and read-out.

A step that is equally large in all singular directions learns small weights as fast as large ones. The momentum M of an
m x n matrix (a kernel counts as out x rest), with Nesterov's look-ahead, is replaced by nearly its orthogonal factor,
which the iteration of Newton and Schulz computes:

.. math:: X_0 = \frac{M}{\lVert M \rVert_F}, \qquad X_{i+1} = a X_i + \left(b\,A_i + c\,A_i^2\right) X_i,
          \qquad A_i = X_i X_i^\top, \qquad W \leftarrow (1 - \eta\lambda)\,W - 0.2\,\eta \sqrt{\max(m, n)}\;X_3

(Keller Jordan's Muon, 2024; the factor makes a step as large as AdamW's, arXiv 2502.16982, so both share one learning
rate.) torch's own Muon accepts only matrices of two dimensions and multiplies in bfloat16, which is slow on many CPUs.
"""

from typing import Any

import torch
from torch import Tensor

_A, _B, _C = 3.4445, -4.7750, 2.0315  # steepest at zero; singular values end between 0.6 and 1.3, unless they are tiny
_ITERATIONS = 3
_MOMENTUM = 0.95
_SCALE = 0.2  # root mean square of a step of AdamW, in learning rates


class Muon(torch.optim.AdamW):
    """Muon for the groups with ``"orthogonal": True``, AdamW for all others.

    Parameters
    ----------
    params : list of dict
        ``params``, ``orthogonal`` and optionally ``weight_decay``; orthogonal groups hold matrices or kernels.
    lr : float
        Learning rate.

    Examples
    --------
    >>> weight = torch.nn.Parameter(torch.zeros(2, 2))
    >>> optimizer = Muon([{"params": [weight], "orthogonal": True, "weight_decay": 0.0}], lr=0.1)
    >>> weight.grad = torch.tensor([[1e-6, 0.0], [0.0, 1e-6]])
    >>> optimizer.step()
    >>> 0.02 < -weight[0, 0].item() < 0.04, weight[0, 1].item()  # the size of the gradient does not matter
    (True, 0.0)
    """

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Update all weights by their gradients."""
        with torch.enable_grad():
            loss = None if closure is None else closure()
        everything = self.param_groups
        for group in everything:
            for weight in group["params"] if group["orthogonal"] else ():
                if weight.grad is not None:
                    self._turn(weight, weight.grad, group["lr"], group["weight_decay"])
        # AdamW updates whatever is in ``param_groups``, so it is shown only its own groups.
        self.param_groups = [group for group in everything if not group["orthogonal"]]
        try:
            super().step()
        finally:
            self.param_groups = everything
        return loss

    def _turn(self, weight: Tensor, gradient: Tensor, lr: float, weight_decay: float) -> None:
        state = self.state[weight]
        if not state:
            state["momentum"] = torch.zeros_like(weight)
            state["step"] = torch.zeros(())  # AdamW expects it for every weight that it restores
        state["step"] += 1
        momentum = state["momentum"].lerp_(gradient, 1 - _MOMENTUM)
        ahead = torch.lerp(gradient, momentum, _MOMENTUM).flatten(1)  # Nesterov
        step = orthogonalized(ahead).reshape(weight.shape)
        weight.mul_(1 - lr * weight_decay).add_(step, alpha=-_SCALE * lr * max(ahead.shape) ** 0.5)


def orthogonalized(matrix: Tensor) -> Tensor:
    """Return the matrix with all singular values near one; those below a twentieth of the norm stay small.

    Examples
    --------
    >>> found = torch.linalg.svdvals(orthogonalized(torch.diag(torch.tensor([3.0, 2.0, 1.0]))))
    >>> bool((found > 0.6).all() and (found < 1.3).all())
    True
    """
    # Transposed, a tall matrix has the smaller Gram matrix, with the same non-zero eigenvalues.
    is_tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if is_tall else matrix
    x = x / x.norm().clamp(min=torch.finfo(x.dtype).tiny)
    for _ in range(_ITERATIONS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return x.T if is_tall else x
