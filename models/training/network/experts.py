"""The mixture of experts as a few batched products.

The T * K pairs of token and chosen expert are sorted by expert and cut into blocks of 64 rows that
share an expert, the last block of an expert filled up with zeros. Two products batched over the
blocks then are all experts' MLPs, at a cost that barely depends on how even the routing is. No
token is dropped.
"""

import dataclasses

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from network.layers import Mlp
from network.shape import Shape

BLOCK = 64
BLOCKS_STEP = 16  # few different shapes: the library compiles a kernel for each


@dataclasses.dataclass(frozen=True)
class Routing:
    scores: Tensor  # [T, E], softmax of the gate's logits, f32
    weights: Tensor  # [T, K]
    experts: Tensor  # [T, K]


class ToSlots(torch.autograd.Function):
    """x [T, H] -> [slots, H]: slot[t, k] receives row t, the other slots zeros."""

    @staticmethod
    def forward(ctx, x: Tensor, slot: Tensor, slots: int) -> Tensor:
        ctx.save_for_backward(slot)
        token = torch.full((slots,), x.shape[0], dtype=torch.int64, device=x.device)
        token[slot.flatten()] = torch.arange(
            x.shape[0], device=x.device).repeat_interleave(slot.shape[1])
        return torch.cat((x, x.new_zeros(1, x.shape[1]))).index_select(0, token)

    @staticmethod
    def backward(ctx, grad: Tensor):
        (slot,) = ctx.saved_tensors
        rows = grad.index_select(0, slot.flatten()).view(*slot.shape, grad.shape[1])
        return rows.sum(1), None, None


class FromSlots(torch.autograd.Function):
    """y [slots, H] -> [T, K, H]: row (t, k) is that of slot[t, k]; no slot is read twice."""

    @staticmethod
    def forward(ctx, y: Tensor, slot: Tensor) -> Tensor:
        ctx.save_for_backward(slot)
        ctx.slots = y.shape[0]
        return y.index_select(0, slot.flatten()).view(*slot.shape, y.shape[1])

    @staticmethod
    def backward(ctx, grad: Tensor):
        (slot,) = ctx.saved_tensors
        out = grad.new_zeros(ctx.slots, grad.shape[2])
        return out.index_copy_(0, slot.flatten(), grad.flatten(0, 1)), None


class OfExperts(torch.autograd.Function):
    """weights [E, ...] -> [blocks, ...]: each block's expert's. Gradients are summed in f32."""

    @staticmethod
    def forward(ctx, weights: Tensor, expert: Tensor, dtype: torch.dtype) -> Tensor:
        ctx.save_for_backward(expert)
        ctx.shape = weights.shape
        return weights.to(dtype).index_select(0, expert)

    @staticmethod
    def backward(ctx, grad: Tensor):
        (expert,) = ctx.saved_tensors
        total = torch.zeros(ctx.shape, device=grad.device).flatten(1)
        return total.index_add_(0, expert, grad.float().flatten(1)).view(ctx.shape), None, None


@dataclasses.dataclass(frozen=True)
class Layout:
    slot: Tensor  # [T, K], where the pair's row lies
    expert: Tensor  # [blocks], whose rows they are


def layout_of(experts: Tensor, count: int) -> Layout:
    """Places the pairs of `experts` [T, K] in blocks."""
    flat = experts.flatten()
    order = flat.argsort(stable=True)
    per_expert = torch.bincount(flat, minlength=count)
    first_pair = per_expert.cumsum(0) - per_expert
    blocks = (per_expert + BLOCK - 1) // BLOCK
    first_block = blocks.cumsum(0) - blocks
    rank = torch.empty_like(flat)
    rank[order] = torch.arange(flat.numel(), device=flat.device) - first_pair[flat[order]]
    slot = first_block[flat] * BLOCK + rank
    expert = torch.arange(count, device=flat.device).repeat_interleave(blocks)
    missing = -expert.numel() % BLOCKS_STEP
    return Layout(slot.view_as(experts), F.pad(expert, (0, missing)))


class ExpertMixture(nn.Module):
    """Softmax over all experts, the K largest, weights not renormalised; plus the shared MLP."""

    # The chosen weights sum to about a half at first, so routed outputs start larger than fan-in
    # alone would make them; without that the experts barely take part in early training.
    GATE_GAIN = 1.5
    DOWN_GAIN = 3.0

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        e, h, i = shape.experts, shape.hidden, shape.expert_width
        self.gate = nn.Parameter(torch.randn(e, h) * self.GATE_GAIN * h**-0.5)
        self.gate_up = nn.Parameter(torch.randn(e, 2, i, h) * h**-0.5)  # [:, 0] gate, [:, 1] up
        self.down = nn.Parameter(torch.randn(e, h, i) * self.DOWN_GAIN * i**-0.5)
        self.shared_experts = Mlp(h, shape.shared * i)

    def route(self, x: Tensor) -> Routing:
        with torch.autocast("cpu", enabled=False):
            scores = F.linear(x.float(), self.gate).softmax(-1)
        weights, experts = scores.topk(self.shape.chosen, -1, sorted=False)
        return Routing(scores, weights, experts)

    def forward(self, x: Tensor) -> tuple[Tensor, Routing]:
        """x [T, H] -> [T, H]."""
        routing = self.route(x)
        layout = layout_of(routing.experts, self.shape.experts)
        rows = ToSlots.apply(x, layout.slot, layout.expert.numel() * BLOCK)
        rows = rows.view(-1, BLOCK, self.shape.hidden)
        gate_up = OfExperts.apply(self.gate_up.flatten(1, 2), layout.expert, x.dtype)
        down = OfExperts.apply(self.down, layout.expert, x.dtype)
        gate, up = torch.bmm(rows, gate_up.transpose(1, 2)).chunk(2, -1)
        out = torch.bmm(F.silu(gate) * up, down.transpose(1, 2)).flatten(0, 1)
        chosen = FromSlots.apply(out, layout.slot)
        routed = torch.bmm(routing.weights.unsqueeze(1).to(chosen.dtype), chosen).squeeze(1)
        return routed + self.shared_experts(x), routing
