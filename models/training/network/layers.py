"""RMSNorm, linear maps and the gated MLP."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def compute_dtype() -> torch.dtype:
    """What matrix products are computed in: bf16 under autocast."""
    enabled = torch.is_autocast_enabled("cpu")
    return torch.get_autocast_dtype("cpu") if enabled else torch.float32


class RmsNorm(nn.Module):
    """x / rms(x) * weight, in f32, rounded once for all the maps that read it."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        out = F.rms_norm(x.float(), self.weight.shape, self.weight, self.eps)
        return out.to(compute_dtype())


def linear(inputs: int, outputs: int, gain: float = 1.0) -> nn.Linear:
    """A map without bias, its weights normal with variance gain^2 / inputs."""
    layer = nn.Linear(inputs, outputs, bias=False)
    nn.init.normal_(layer.weight, std=gain * inputs**-0.5)
    return layer


class Mlp(nn.Module):
    """down(silu(gate x) * up x)."""

    def __init__(self, hidden: int, width: int) -> None:
        super().__init__()
        self.gate_proj = linear(hidden, width)
        self.up_proj = linear(hidden, width)
        self.down_proj = linear(width, hidden)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
