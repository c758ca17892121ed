"""Which optimizer moves which parameter, and how the learning rate runs."""

import torch

from muon import Muon
from network.decoder import Decoder

MUON_LR = 0.005
EMBEDDING_LR = 0.004
HEAD_LR = 0.0015
GATE_LR = 0.0015
NORM_LR = 0.002
WARMUP_STEPS = 80
CONSTANT_SHARE = 0.4


def make_optimizers(model: Decoder,
                    own: list[torch.nn.Parameter]) -> list[torch.optim.Optimizer]:
    """For the parameters in `own` alone."""
    shape = model.shape
    wanted = {id(parameter) for parameter in own}
    matrices: dict[int, list[torch.nn.Parameter]] = {}
    others: dict[float, list[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if id(parameter) not in wanted:
            continue
        if name == "embed_tokens.weight":
            others.setdefault(EMBEDDING_LR, []).append(parameter)
        elif name == "lm_head.weight":
            others.setdefault(HEAD_LR, []).append(parameter)
        elif name.endswith("mlp.gate"):
            others.setdefault(GATE_LR, []).append(parameter)
        elif parameter.ndim == 1:
            others.setdefault(NORM_LR, []).append(parameter)
        else:
            # kv_b_proj falls into its heads' two parts, an expert's gate and up are two matrices.
            rows = shape.nope if name.endswith("kv_b_proj.weight") else parameter.shape[-2]
            matrices.setdefault(rows, []).append(parameter)
    optimizers: list[torch.optim.Optimizer] = []
    if matrices:
        optimizers.append(Muon([{"params": params, "rows": rows}
                                for rows, params in matrices.items()], MUON_LR))
    if others:
        optimizers.append(torch.optim.AdamW(
            [{"params": params, "lr": lr} for lr, params in others.items()],
            betas=(0.9, 0.95), weight_decay=0.0))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak_lr"] = group["lr"]
    return optimizers


def rate(step: int, spent: float) -> float:
    """The share of the peak rate; `spent` is the share of the time that is gone."""
    warm = min(1.0, (step + 1) / WARMUP_STEPS)
    left = (1.0 - spent) / (1.0 - CONSTANT_SHARE)
    return warm * min(1.0, max(0.0, left))


def set_rate(optimizers: list[torch.optim.Optimizer], share: float) -> None:
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak_lr"] * share
