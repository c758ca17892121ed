"""Multi-head latent attention, expanded: the form that is cheapest to train.

x [B, S, H] -> [B, S, H], causal. Rows are dialogues padded at their end, so causality alone keeps
padding out of every position that counts.
"""

import torch
from torch import Tensor, nn

from network.layers import RmsNorm, linear
from network.shape import Shape


class Rotation(nn.Module):
    """Turns adjacent pairs (2j, 2j + 1) by position times frequency j."""

    def __init__(self, shape: Shape, positions: int = 1024) -> None:
        super().__init__()
        angles = torch.outer(torch.arange(positions, dtype=torch.float64),
                             torch.tensor(shape.frequencies(), dtype=torch.float64))
        self.register_buffer("cos", angles.cos().float(), persistent=False)
        self.register_buffer("sin", angles.sin().float(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, S, N, rope]."""
        length = x.shape[1]
        cos, sin = self.cos[:length, None], self.sin[:length, None]
        even, odd = x[..., 0::2].float(), x[..., 1::2].float()
        return torch.stack((even * cos - odd * sin, odd * cos + even * sin), -1).flatten(-2)


class LatentAttention(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        s = shape
        self.q_proj = linear(s.hidden, s.heads * (s.nope + s.rope))
        self.kv_a_proj_with_mqa = linear(s.hidden, s.latent + s.rope)
        self.kv_a_layernorm = RmsNorm(s.latent, s.eps)
        self.kv_b_proj = linear(s.latent, s.heads * (s.nope + s.value))
        self.o_proj = linear(s.heads * s.value, s.hidden)

    def forward(self, x: Tensor, rotation: Rotation) -> Tensor:
        s = self.shape
        rows, length, _ = x.shape
        q = self.q_proj(x).view(rows, length, s.heads, s.nope + s.rope)
        q_nope, q_rope = q.split((s.nope, s.rope), -1)
        latent, k_rope = self.kv_a_proj_with_mqa(x).split((s.latent, s.rope), -1)
        kv = self.kv_b_proj(self.kv_a_layernorm(latent))
        kv = kv.view(rows, length, s.heads, s.nope + s.value)
        k_nope, value = kv.split((s.nope, s.value), -1)
        q_rope, k_rope = rotation(q_rope), rotation(k_rope.unsqueeze(2))

        dtype = q_nope.dtype
        query = torch.cat((q_nope, q_rope.to(dtype)), -1).transpose(1, 2)
        key = torch.cat((k_nope, k_rope.to(dtype).expand(-1, -1, s.heads, -1)), -1).transpose(1, 2)
        scores = (query @ key.transpose(2, 3)).float() * s.softmax_scale()
        later = torch.ones(length, length, dtype=torch.bool, device=x.device).triu(1)
        weights = scores.masked_fill(later, float("-inf")).softmax(-1)
        out = weights.to(dtype) @ value.transpose(1, 2)
        return self.o_proj(out.transpose(1, 2).flatten(2))
