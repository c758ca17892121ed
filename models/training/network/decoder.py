"""The whole network."""

import torch
from torch import Tensor, nn

from network.attention import LatentAttention, Rotation
from network.experts import ExpertMixture, Routing
from network.layers import Mlp, RmsNorm, linear
from network.shape import Shape


class Block(nn.Module):
    def __init__(self, shape: Shape, is_dense: bool) -> None:
        super().__init__()
        self.input_layernorm = RmsNorm(shape.hidden, shape.eps)
        self.self_attn = LatentAttention(shape)
        self.post_attention_layernorm = RmsNorm(shape.hidden, shape.eps)
        self.mlp = Mlp(shape.hidden, shape.dense_width) if is_dense else ExpertMixture(shape)

    def forward(self, x: Tensor, rotation: Rotation) -> tuple[Tensor, Routing | None]:
        x = x + self.self_attn(self.input_layernorm(x), rotation)
        normed = self.post_attention_layernorm(x)
        if isinstance(self.mlp, Mlp):
            return x + self.mlp(normed), None
        out, routing = self.mlp(normed.flatten(0, 1))
        return x + out.view_as(x), routing


class Decoder(nn.Module):
    """ids [B, S] -> the last hidden states [B, S, H], normed, and each MoE layer's routing."""

    EMBEDDING_STD = 0.5

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embed_tokens = nn.Embedding(shape.vocabulary, shape.hidden)
        nn.init.normal_(self.embed_tokens.weight, std=self.EMBEDDING_STD)
        self.layers = nn.ModuleList(Block(shape, i == 0) for i in range(shape.layers))
        self.norm = RmsNorm(shape.hidden, shape.eps)
        self.lm_head = linear(shape.hidden, shape.vocabulary, gain=0.5)
        self.rotation = Rotation(shape)

    def forward(self, ids: Tensor) -> tuple[Tensor, list[Routing]]:
        x = self.embed_tokens(ids)
        routings = []
        for layer in self.layers:
            x, routing = layer(x, self.rotation)
            if routing is not None:
                routings.append(routing)
        return self.norm(x), routings

    def logits(self, ids: Tensor) -> Tensor:
        hidden, _ = self(ids)
        return self.lm_head(hidden).float()


def parameters_of(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def balance_loss(routing: Routing, valid: Tensor) -> Tensor:
    """Sum over experts of f_i P_i of each row, averaged over rows (DeepSeek-V2, section 2.2.3).

    valid [B, S] says which tokens are no padding; 1 is perfect balance.
    """
    rows, length = valid.shape
    experts = routing.scores.shape[1]
    mask = valid.float().unsqueeze(2)
    count = mask.sum(1)
    chosen = torch.zeros_like(routing.scores).scatter_(1, routing.experts, 1.0)
    share = (chosen.view(rows, length, experts) * mask).sum(1) / count
    share = share * (experts / routing.experts.shape[1])
    mean = (routing.scores.view(rows, length, experts) * mask).sum(1) / count
    return (share * mean).sum(1).mean()
