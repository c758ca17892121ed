#!/usr/bin/env python3
"""Writes questions.jsonl: held-out questions of every task, from the generator of the training data.

The generator never lets a held-out question into training (../training/question.py), so these are
new to the model. Needs the modules of ../training, and nothing besides Python.
"""

import json
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "training"))
import by_hand  # noqa: E402
import questions  # noqa: E402
from mixture import held_out  # noqa: E402
from tasks import outside, small_talk, stories  # noqa: E402

SEED = 2024
PER_TASK = 60


def entry(task: str, messages: list[dict[str, str]], **right: str) -> str:
    return json.dumps({"task": task, "messages": messages, **right}, ensure_ascii=False)


def lines() -> list[str]:
    result = []
    for dialogue in held_out(SEED, PER_TASK):
        last = dialogue.turns[-1]
        messages = dialogue.messages()[:-1]
        if last.exact:
            result.append(entry(last.task, messages, answer=last.answer))
        elif last.task == "small talk":
            result.append(entry(last.task, messages, pattern=small_talk.pattern(last.answer)))
        else:
            result.append(entry(last.task, messages, pattern=stories.pattern(last.text)))
    for task, texts in (("outside, by hand", by_hand.QUESTIONS),
                        ("outside, later", by_hand.LATER)):
        for text in texts:
            result.append(entry(task, [{"role": "user", "content": text}],
                                pattern=re.escape(outside.REFUSAL)))
    return result


def main() -> int:
    questions.FILE.write_text("\n".join(lines()) + "\n", encoding="utf-8")
    print(f"{len(lines())} questions")
    return 0


if __name__ == "__main__":
    sys.exit(main())
