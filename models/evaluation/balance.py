#!/usr/bin/env python3
"""How evenly a checkpoint uses its experts on the held-out questions with their right answers.

usage: balance.py CHECKPOINT

Prints for each MoE layer the busiest expert's share over the mean, and how many are never chosen.
Needs the packages of ../training/requirements.txt.
"""

import pathlib
import sys

import torch

import questions
from checkpoint import Checkpoint

class Counts:
    """Counts what each layer's gate chooses."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.by_layer: dict[int, torch.Tensor] = {}
        self._experts = checkpoint.model.config.n_routed_experts
        self._chosen = checkpoint.model.config.num_experts_per_tok
        for i, layer in enumerate(checkpoint.model.model.layers):
            if hasattr(layer.mlp, "gate"):
                self.by_layer[i] = torch.zeros(self._experts, dtype=torch.int64)
                layer.mlp.register_forward_pre_hook(self._counter(i))

    def _counter(self, layer: int):
        def count(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            logits = inputs[0].float().flatten(0, 1) @ module.gate.weight.float().T
            chosen = logits.topk(self._chosen, -1).indices.flatten()
            self.by_layer[layer] += torch.bincount(chosen, minlength=self._experts)

        return count


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    checkpoint = Checkpoint(pathlib.Path(sys.argv[1]), torch.bfloat16)
    counts = Counts(checkpoint)
    tokens = 0
    with torch.no_grad():
        for question in questions.load():
            if question.answer is None:
                continue
            answered = [*question.messages, {"role": "assistant", "content": question.answer}]
            ids = checkpoint.encode(answered, for_answer=False)
            checkpoint.model(torch.tensor([ids]))
            tokens += len(ids)
    print(f"{tokens} tokens\nlayer  busiest/mean  unused")
    for layer, count in counts.by_layer.items():
        busiest = count.max().item() / count.float().mean().item()
        print(f"{layer:5d}  {busiest:12.2f}  {int((count == 0).sum()):6d}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
