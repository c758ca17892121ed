#!/usr/bin/env python3
"""Holds the bundled model's greedy answers on a GPU to those that transformers gives in fp32.

    greedy_answers.py SEXTANT DATA

DATA holds models/demo and models/evaluation/greedy_answers.jsonl. The GPU rounds to bf16, so an
answer may part from the golden where two logits are nearly equal. At the first id that differs the
CPU says how far bf16 moves this position's logits, d at most; the GPU may be off by 2 d (the bound
of tests/unit/cli/engine), so two logits that are 4 d apart in fp32, or less, may change places. Such
near-ties are listed; any other difference is a failure, and the exit status 1.
"""

import json
import pathlib
import subprocess
import sys

NEAR = 4


class Sextant:
    def __init__(self, program: str, model: pathlib.Path) -> None:
        self._program = program
        self._model = str(model)

    def _run(self, command: list[str], arguments: list[str], text: str = "") -> list[dict]:
        run = subprocess.run([self._program, *command, "--model", self._model, *arguments],
                             input=text, capture_output=True, encoding="utf-8", check=False)
        if run.returncode != 0:
            sys.exit(f"sextant {' '.join(command)} failed: {run.stderr.strip()}")
        return [json.loads(line) for line in run.stdout.splitlines()]

    def answers(self, goldens: list[dict]) -> list[list[int]]:
        requests = [json.dumps({"prompt_ids": golden["prompt_ids"],
                                "max_tokens": len(golden["ids"])}) for golden in goldens]
        answers = self._run(["generate"],
                            ["--device", "cuda", "--requests", "-", "--temperature", "0"],
                            "".join(request + "\n" for request in requests))
        if len(answers) != len(goldens):
            sys.exit(f"{len(goldens)} prompts got {len(answers)} answers")
        return [answer["ids"] for answer in answers]

    def logits(self, ids: list[int], dtype: str) -> list[float]:
        """After the last id, on the CPU."""
        lines = self._run(["logits"], ["--device", "cpu", "--dtype", dtype, "--last", "1",
                                       "--ids", ",".join(map(str, ids))])
        return lines[0]["logits"]


def first_difference(said: list[int], right: list[int]) -> int | None:
    """Where two answers part. One that goes on after the other's end has the end there."""
    if said == right:
        return None
    at = 0
    while at < min(len(said), len(right)) and said[at] == right[at]:
        at += 1
    return at


def explain(sextant: Sextant, golden: dict, said: list[int], at: int) -> tuple[bool, str]:
    """Whether the difference is a near-tie, and a line about it."""
    right = golden["ids"]
    if at >= len(said) or at >= len(right):
        return False, f"id {at}: {len(said)} ids instead of {len(right)}"
    ids = golden["prompt_ids"] + right[:at]
    exact = sextant.logits(ids, "fp32")
    rounded = sextant.logits(ids, "bf16")
    moved = max(abs(a - b) for a, b in zip(exact, rounded, strict=True))
    gap = exact[right[at]] - exact[said[at]]
    return gap <= NEAR * moved, (f"id {at}: {said[at]} instead of {right[at]}, {gap:.5f} apart in "
                                 f"fp32; bf16 moves logits by up to {moved:.5f} there")


def main() -> int:
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    data = pathlib.Path(sys.argv[2])
    sextant = Sextant(sys.argv[1], data / "models" / "demo")
    file = data / "models" / "evaluation" / "greedy_answers.jsonl"
    goldens = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    ties, wrong = [], []
    for golden, said in zip(goldens, sextant.answers(goldens), strict=True):
        at = first_difference(said, golden["ids"])
        if at is None:
            continue
        near, line = explain(sextant, golden, said, at)
        question = golden["messages"][-1]["content"]
        (ties if near else wrong).append(f"  {json.dumps(question, ensure_ascii=False)}: {line}")
    equal = len(goldens) - len(ties) - len(wrong)
    print(f"{equal} of {len(goldens)} answers are equal, {len(ties)} part at a near-tie, "
          f"{len(wrong)} elsewhere")
    for title, lines in (("near-ties:", ties), ("other differences:", wrong)):
        if lines:
            print("\n".join([title, *lines]))
    return 1 if wrong or not goldens else 0


if __name__ == "__main__":
    sys.exit(main())
