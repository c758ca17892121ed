#!/usr/bin/env python3
"""Writes greedy_answers.jsonl: what transformers answers to 200 held-out prompts, id by id.

usage: make_greedy_answers.py CHECKPOINT

The weights are upcast to fp32 and nothing is rounded. A prompt is left out where on the way some
second-best logit comes within 1e-4 of the best: there the order of a sum may decide. Prompts are
taken from every task in turn, some with a system message, some after other turns.
"""

import itertools
import json
import pathlib
import random
import sys

import torch

import questions
from checkpoint import Checkpoint

COUNT = 200
SPARE = 20  # for those that are left out
MAX_TOKENS = 160
LEAST_GAP = 1e-4
SEED = 5
FILE = pathlib.Path(__file__).parent / "greedy_answers.jsonl"


def conversations(asked: list[questions.HeldOutQuestion]) -> list[list[dict[str, str]]]:
    """Every task in turn; every fifth conversation has a system message, every seventh a past."""
    by_task: dict[str, list[questions.HeldOutQuestion]] = {}
    for question in asked:
        by_task.setdefault(question.task, []).append(question)
    rng = random.Random(SEED)
    for some in by_task.values():
        rng.shuffle(some)
    turns = itertools.zip_longest(*by_task.values())
    result = []
    for i, question in enumerate(q for group in turns for q in group if q is not None):
        messages = question.messages
        if i % 7 == 3:
            past = rng.choice([q for q in asked if q.answer is not None])
            messages = [*past.messages, {"role": "assistant", "content": past.answer}, *messages]
        if i % 5 == 2:
            messages = [{"role": "system", "content": "You are a helpful assistant."}, *messages]
        result.append(messages)
    return result


@torch.no_grad()
def smallest_gap(checkpoint: Checkpoint, prompt: list[int], answer: list[int]) -> float:
    """Between the two largest logits, over the positions that predict the answer."""
    logits = checkpoint.model(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1:-1]
    best = logits.topk(2, -1).values
    return (best[:, 0] - best[:, 1]).min().item()


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    checkpoint = Checkpoint(pathlib.Path(sys.argv[1]), torch.float32)
    lines = []
    left_out = 0
    asked = conversations(questions.load())[:COUNT + SPARE]
    prompts = [checkpoint.encode(messages) for messages in asked]
    answers = checkpoint.greedy(prompts, MAX_TOKENS)
    for messages, prompt, ids in zip(asked, prompts, answers, strict=True):
        if smallest_gap(checkpoint, prompt, ids) < LEAST_GAP:
            left_out += 1
            continue
        lines.append(json.dumps({"messages": messages, "prompt_ids": prompt, "ids": ids},
                                ensure_ascii=False))
        if len(lines) == COUNT:
            break
    FILE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(lines)} prompts; {left_out} left out for a gap below {LEAST_GAP}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
