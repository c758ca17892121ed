"""How many held-out questions the network answers word for word, cheaply.

Greedy decoding gives exactly the expected answer if and only if, with that answer as input, every
position predicts the next of its ids: one pass instead of one per token.
"""

import collections

import torch

from batches import grouped, padded
from chat_tokens import ChatTokens
from mixture import held_out
from network.decoder import Decoder

SEED = 77


class HeldOut:
    def __init__(self, chat: ChatTokens, per_task: int) -> None:
        self._fill = chat.eos
        self._rows = []
        for dialogue in held_out(SEED, per_task):
            if dialogue.turns[-1].exact:
                self._rows.append((dialogue.turns[-1].task, chat.row(dialogue)))

    @torch.no_grad()
    def scores(self, model: Decoder) -> dict[str, float]:
        """The share of each task's questions that are answered exactly."""
        task_of = {id(row): task for task, row in self._rows}
        right: collections.Counter[str] = collections.Counter()
        asked: collections.Counter[str] = collections.Counter()
        for group in grouped([row for _, row in self._rows], 2048):
            batch = padded(group, self._fill)
            with torch.autocast("cpu", torch.bfloat16):
                best = model.logits(batch.ids).argmax(-1)
            agrees = (best[:, :-1] == batch.ids[:, 1:]) | ~batch.counts[:, 1:]
            for row, good in zip(group, agrees.all(1).tolist(), strict=True):
                asked[task_of[id(row)]] += 1
                right[task_of[id(row)]] += good
        return {task: right[task] / asked[task] for task in asked}
