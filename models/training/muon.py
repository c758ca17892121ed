"""Muon for matrices: momentum, then the nearest orthogonal matrix as the step.

K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024); the quintic's
coefficients are theirs. Here a parameter may be a stack of matrices, such as the experts of a
layer, which is one batched iteration.
"""

from collections.abc import Callable

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5


def orthogonalised(stack: Tensor) -> Tensor:
    """[B, m, n]: all singular values brought near one, in bf16."""
    a, b, c = COEFFICIENTS
    x = stack.bfloat16()
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.transpose(1, 2)
    x = x / (x.flatten(1).norm(dim=1).view(-1, 1, 1) + 1e-7)
    for _ in range(ITERATIONS):
        square = torch.bmm(x, x.transpose(1, 2))
        poly = torch.baddbmm(square, square, square, beta=b, alpha=c)
        x = torch.baddbmm(x, poly, x, beta=a)
    return x.transpose(1, 2) if tall else x


class Muon(torch.optim.Optimizer):
    """Each group says into matrices of how many `rows` its parameters fall."""

    def __init__(self, groups: list[dict], lr: float, momentum: float = 0.95) -> None:
        super().__init__(groups, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["momentum"] = torch.zeros_like(parameter)
                state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
                ahead = parameter.grad.lerp(state["momentum"], group["momentum"])
                stack = as_stack(ahead, group["rows"])
                update = orthogonalised(stack).view_as(ahead).to(parameter.dtype)
                gain = max(1.0, stack.shape[1] / stack.shape[2]) ** 0.5
                parameter.add_(update, alpha=-group["lr"] * gain)


def as_stack(matrix: Tensor, rows: int) -> Tensor:
    """[..., n] as matrices of `rows` rows: the heads of a projection, or experts."""
    return matrix.reshape(-1, rows, matrix.shape[-1])
