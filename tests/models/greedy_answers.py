#!/usr/bin/env python3
"""Holds `sextant generate` in fp32 to what transformers answers, id by id.

    greedy_answers.py SEXTANT

The prompts go in as messages, so that the template and the tokenizer are held to it too, and as
ids. Prints each prompt that is answered otherwise, and exits with 1 if there is any.
"""

import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "models" / "evaluation"))
from sextant_program import SextantProgram  # noqa: E402

LEAST_PROMPTS = 200


def difference(said: list[int], right: list[int]) -> str | None:
    """Where two answers part, or None."""
    if said == right:
        return None
    at = next((i for i, (a, b) in enumerate(zip(said, right)) if a != b),
              min(len(said), len(right)))
    return f"differs at id {at}: said {said[at:at + 4]}, right is {right[at:at + 4]}"


def main() -> int:
    file = ROOT / "models" / "evaluation" / "greedy_answers.jsonl"
    goldens = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    if len(goldens) < LEAST_PROMPTS:
        print(f"{file} holds {len(goldens)} prompts, not {LEAST_PROMPTS}")
        return 1
    program = SextantProgram(sys.argv[1], str(ROOT / "models" / "demo"), ["--dtype", "fp32"])
    wrong = 0
    for kind in ("messages", "prompt_ids"):
        # The golden ends with the model's end token, or after as many ids as were asked for.
        answers = program.run([{kind: golden[kind], "max_tokens": len(golden["ids"])}
                               for golden in goldens])
        for golden, answer in zip(goldens, answers, strict=True):
            found = difference(answer["ids"], golden["ids"])
            if found:
                wrong += 1
                print(f"{kind} {json.dumps(golden['messages'], ensure_ascii=False)}: {found}")
    print(f"{2 * len(goldens) - wrong} of {2 * len(goldens)} answers agree")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
