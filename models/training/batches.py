"""Rows of like length put together, one dialogue each, padded at their end."""

import dataclasses
import random
from collections.abc import Iterator

import torch
from torch import Tensor

from chat_tokens import ChatTokens, Row
from mixture import Mixture

LENGTH_STEP = 8  # few different shapes: the library compiles a kernel for each
POOL = 768  # rows that are sorted by length together


@dataclasses.dataclass(frozen=True)
class Batch:
    ids: Tensor  # [B, S]
    valid: Tensor  # [B, S], false at padding
    counts: Tensor  # [B, S], whether the id here is to be predicted


def padded(rows: list[Row], fill: int) -> Batch:
    length = rounded(max(len(row.ids) for row in rows))
    ids = torch.full((len(rows), length), fill)
    counts = torch.zeros(len(rows), length, dtype=torch.bool)
    valid = torch.zeros(len(rows), length, dtype=torch.bool)
    for i, row in enumerate(rows):
        ids[i, :len(row.ids)] = torch.tensor(row.ids)
        counts[i, :len(row.ids)] = torch.tensor(row.counts)
        valid[i, :len(row.ids)] = True
    return Batch(ids, valid, counts)


def rounded(length: int) -> int:
    return -(-length // LENGTH_STEP) * LENGTH_STEP


def grouped(rows: list[Row], tokens: int) -> list[list[Row]]:
    """Groups of at most `tokens` ids with their padding; lengths grow from group to group."""
    groups: list[list[Row]] = [[]]
    for row in sorted(rows, key=lambda row: len(row.ids)):
        if groups[-1] and (len(groups[-1]) + 1) * rounded(len(row.ids)) > tokens:
            groups.append([])
        groups[-1].append(row)
    return groups


def batches(mixture: Mixture, chat: ChatTokens, tokens: int) -> Iterator[Batch]:
    """Endless batches of at most `tokens` ids; lengths come in random order."""
    rng = random.Random(0)
    while True:
        rows = [chat.row(mixture.dialogue()) for _ in range(POOL)]
        groups = grouped(rows, tokens)
        rng.shuffle(groups)
        for group in groups:
            yield padded(group, chat.eos)
