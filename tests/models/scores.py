#!/usr/bin/env python3
"""Asks the demo model all held-out questions in bf16, as it is served.

    scores.py SEXTANT

Prints the table. Exits with 1 where more than one answer of a task is wrong and fewer than 95% of
its answers are right; 90% where no answer is the only right one.
"""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "models" / "evaluation"))
import questions  # noqa: E402
from sextant_program import SextantProgram  # noqa: E402

MAX_TOKENS = 160
LEAST_SHARE = 0.95
# Small talk, and questions from outside in forms that the training does not know.
LEAST_SHARES = {"small talk": 0.9, "outside, later": 0.9}
MOST_WRONG = 1  # in any task


def is_low(task: str, score: questions.Score) -> bool:
    least = LEAST_SHARES.get(task, LEAST_SHARE)
    return score.share < least and score.asked - score.right > MOST_WRONG


def main() -> int:
    asked = questions.load()
    program = SextantProgram(sys.argv[1], str(ROOT / "models" / "demo"), ["--dtype", "bf16"])
    by_task = questions.scores(asked, program.answers(asked, MAX_TOKENS))
    print(questions.table(by_task))
    low = [task for task, score in by_task.items() if is_low(task, score)]
    if low:
        print(f"below their mark: {', '.join(low)}")
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main())
