#!/usr/bin/env python3
"""Asks the held-out questions, always taking the likeliest token, and prints a table per task.

usage: score.py --endpoint HOST:PORT [--name MODEL] [--at-once N]
       score.py --endpoint URL [--key KEY] [--name MODEL] [--at-once N]
       score.py --sextant PROGRAM [--model DIR] [-- ARGUMENT...]
       score.py --checkpoint DIR [--dtype fp32]

  models/evaluation/score.py --sextant build/bin/sextant
  models/evaluation/score.py --endpoint 127.0.0.1:7070
  models/evaluation/score.py --endpoint http://localhost:8080/v1 --name demo

An endpoint that begins with http is asked as OpenAI's API is, any other by gRPC as a Sextant
cluster is. gRPC needs tests/integration/python_client/requirements.txt, --checkpoint needs
models/training/requirements.txt; the others need only Python.
With --least 95 the exit status is 1 where a task scores below 95%.
"""

import argparse
import pathlib
import sys
import time

import questions
from endpoint import Endpoint
from sextant_program import SextantProgram

# pylint: disable=import-outside-toplevel  # what only one way of asking needs is imported there

DEMO = pathlib.Path(__file__).parent.parent / "demo"


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--endpoint", metavar="TARGET",
                     help="a cluster's HOST:PORT, or an OpenAI-compatible URL up to /v1")
    who.add_argument("--sextant", metavar="PROGRAM", help="asked through generate --requests")
    who.add_argument("--checkpoint", metavar="DIR", type=pathlib.Path, help="by transformers")
    parser.add_argument("--name", default="",
                        help="model's name at the endpoint [the only one that a cluster serves]")
    parser.add_argument("--key", help="bearer token for a URL")
    parser.add_argument("--at-once", type=int, default=8, help="requests at the endpoint [8]")
    parser.add_argument("--model", default=str(DEMO), help="folder for --sextant [models/demo]")
    parser.add_argument("--dtype", choices=("bf16", "fp32"), default="bf16")
    parser.add_argument("--questions", type=pathlib.Path, default=questions.FILE)
    parser.add_argument("--per-task", type=int, help="ask only so many of each task")
    parser.add_argument("--max-tokens", type=int, default=200)
    parser.add_argument("--wrong", action="store_true", help="print the wrong answers too")
    parser.add_argument("--least", type=float, help="percent that each task must reach")
    parser.add_argument("arguments", nargs="*", help="more of `sextant generate`, after --")
    return parser.parse_args()


def answerer(options: argparse.Namespace):
    """What is asked, as an object with answers(questions, max_tokens)."""
    if options.endpoint and not options.endpoint.startswith("http"):
        from sextant_service import SextantService
        return SextantService(options.endpoint, options.name, options.at_once)
    if options.endpoint:
        return Endpoint(options.endpoint, options.name, options.key, options.at_once)
    if options.sextant:
        return SextantProgram(options.sextant, options.model,
                              ["--dtype", options.dtype, *options.arguments])
    import torch

    from checkpoint import Checkpoint
    dtype = torch.bfloat16 if options.dtype == "bf16" else torch.float32
    return Checkpoint(options.checkpoint, dtype)


def main() -> int:
    options = parsed()
    asked = questions.load(options.questions, options.per_task)
    began = time.monotonic()
    answers = answerer(options).answers(asked, options.max_tokens)
    by_task = questions.scores(asked, answers)
    if options.wrong:
        for score in by_task.values():
            for question, answer in score.wrong:
                print(f"{question.task}: {question.messages[-1]['content']}\n"
                      f"   said {answer.strip()!r}, right is {question.answer or 'any that fits'!r}")
    print(questions.table(by_task))
    print(f"{len(asked)} questions in {time.monotonic() - began:.0f} s")
    low = [task for task, score in by_task.items()
           if options.least is not None and 100 * score.share < options.least]
    if low:
        print(f"below {options.least:g}%: {', '.join(low)}")
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main())
