#!/usr/bin/env python3
"""Trains the demo model, and goes on where it was stopped.

Example:
  train.py --state ~/.cache/sextant-training --minutes 90

The state folder gets the tokenizer, a checkpoint every few minutes and log.txt. Interrupted, or
ended by SIGTERM, it saves first; run again with the same folder, it goes on. --minutes is the whole
time over all runs, and the learning rate falls to nothing at its end.
"""

import argparse
import os
import pathlib
import signal
import sys
import time

import torch
from tokenizers import Tokenizer
from torch import multiprocessing

import make_tokenizer
from batches import batches
from chat_tokens import ChatTokens
from held_out import HeldOut
from mixture import Mixture
from network.decoder import parameters_of
from run import Plan, Run, start
from team import Team

LONGEST_STEP_S = 60.0  # a machine that slept has not trained


class Log:
    def __init__(self, file: pathlib.Path) -> None:
        self._file = file.open("a", encoding="utf-8")

    def __call__(self, line: str) -> None:
        print(line, flush=True)
        print(line, file=self._file, flush=True)


def tokenizer_in(folder: pathlib.Path) -> ChatTokens:
    file = folder / "tokenizer" / "tokenizer.json"
    if not file.exists():
        make_tokenizer.write(file.parent)
    return ChatTokens(Tokenizer.from_file(str(file)))


def evaluate(run: Run, held_out: HeldOut, say: Log) -> None:
    scores = held_out.scores(run.model)
    say(f"held out at step {run.step}, {run.seconds / 60:.1f} min: "
        + ", ".join(f"{task} {score:.0%}" for task, score in scores.items()))


def work(rank: int, plan: Plan, team: Team) -> None:
    """The whole life of one member; the first one reports."""
    torch.set_num_threads(1)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: team.stop())
    chat = tokenizer_in(plan.state)
    run = Run(plan, team, rank)
    leads = rank == 0
    if leads:
        say = Log(plan.state / "log.txt")
        held_out = HeldOut(chat, per_task=30)
        say(f"{parameters_of(run.model):,} parameters; from step {run.step}, "
            f"{run.seconds / 60:.1f} of {plan.minutes:g} minutes")
    # A resumed run goes on with other data, not with those of its beginning.
    data = batches(Mixture((plan.seed * 1009 + rank) * 1000003 + run.step), chat, plan.tokens)
    evaluated = run.seconds
    done = False
    while not done:
        began = time.monotonic()
        loss, balance, done = run.learn(next(data))
        if leads and run.step % 20 == 0:
            say(f"step {run.step}  {run.seconds / 60:.1f} min  {run.tokens / 1e6:.2f}M tokens  "
                f"{run.tokens / run.seconds:.0f}/s  loss {loss:.3f}  balance {balance:.2f}")
        if run.seconds - evaluated > plan.evaluate_every * 60:
            evaluated = run.seconds
            run.save()
            if leads:
                evaluate(run, held_out, say)
        run.seconds += min(time.monotonic() - began, LONGEST_STEP_S)
    run.save()
    if leads:
        evaluate(run, held_out, say)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--state", type=pathlib.Path, required=True, help="folder of the run")
    parser.add_argument("--minutes", type=float, default=90, help="whole length of training")
    parser.add_argument("--steps", type=int, help="end at this step, should it come first")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="one core each")
    parser.add_argument("--tokens", type=int, default=1024, help="of each process in each step")
    parser.add_argument("--balance", type=float, default=0.005, help="weight of the balance loss")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--evaluate-every", type=float, default=5, help="minutes")
    return parser.parse_args()


def main() -> int:
    options = vars(parsed())
    processes = options.pop("processes")
    plan = Plan(**options)
    plan.state.mkdir(parents=True, exist_ok=True)
    chat = tokenizer_in(plan.state)
    team = Team(processes, start(chat.vocabulary, plan))
    # Signals are for the members, who agree on the step after which they stop.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: team.stop())
    multiprocessing.spawn(work, (plan, team), nprocs=processes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
