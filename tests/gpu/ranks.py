#!/usr/bin/env python3
"""Serves a model from several ranks that share one GPU, while ranks come, go and are killed.

    ranks.py SEXTANT MODEL

Each rank is a process with a host id of its own, so that NCCL lets them share the card, and a small
part of its memory. One rank answers some questions; then colocated ranks grow to 2, 4 and 8, some
that hold experts alone come and go, one is killed in the middle of a step, and 3 are left; all the
while clients ask the same questions. Every answer has to be the first one, byte for byte. The exit
status is 1 if one is not, or anything else fails.
"""

import argparse
import collections.abc
import concurrent.futures
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time

READY = "ready "
SETTINGS = """\
engine: {device: cuda, device_memory: 3GiB, cache_tokens: 8192, max_batch_tokens: 256}
attention_worker: {max_sequences: 16}
cluster: {log_level: warning}
"""
QUESTIONS = ("Tell me a story about a little bird.", "What is 17 + 25?", "Sort 31, 52, 17.",
             "What is the capital of France?")
TOKENS = "16"
# Ranks that share a card exchange by sockets of this machine.
NCCL = {"NCCL_SOCKET_IFNAME": "lo", "NCCL_NET": "Socket", "NCCL_IB_DISABLE": "1",
        "NCCL_MNNVL_ENABLE": "0"}
ANSWER_LIMIT_S = 60
EPOCH_LIMIT_S = 60
STOP_LIMIT_S = 20


class Ranks:
    """A router with one rank in its process, and further ranks in processes of their own."""

    def __init__(self, program: str, model: str, folder: pathlib.Path) -> None:
        self._program = program
        self._model = model
        self._config = folder / "cluster.yaml"
        self._config.write_text(SETTINGS, encoding="utf-8")
        self._runtime_dir = folder / "run"
        self._started = 0
        self._target = ""
        self.workers: list[subprocess.Popen[str]] = []

    def start(self) -> None:
        first = self._start("up", "--in-process", "--colocated", "1", "--listen", "127.0.0.1:0",
                            "--runtime-dir", str(self._runtime_dir))
        self._target = self._ready(first).split()[1]

    def _start(self, *words: str) -> "subprocess.Popen[str]":
        environment = os.environ | NCCL | {"NCCL_HOSTID": f"rank-{self._started}"}
        self._started += 1
        worker = subprocess.Popen(
            [self._program, *words, "--model", self._model, "--config", str(self._config)],
            stdout=subprocess.PIPE, encoding="utf-8", env=environment)
        self.workers.append(worker)
        return worker

    @staticmethod
    def _ready(worker: "subprocess.Popen[str]") -> str:
        line = next((line for line in worker.stdout if line.startswith(READY)), "")
        if not line:
            raise RuntimeError(f"{' '.join(worker.args)} has ended before it was ready")
        return line.removeprefix(READY)

    def add(self, role: str, count: int) -> None:
        added = [self._start("worker", "--role", role, "--router", self._target, "--listen",
                             "127.0.0.1:0") for _ in range(count)]
        for worker in added:
            self._ready(worker)
        self.settle()

    def leave(self, worker: "subprocess.Popen[str]") -> None:
        worker.send_signal(signal.SIGTERM)
        if worker.wait(timeout=EPOCH_LIMIT_S) != 0:
            raise RuntimeError(f"{' '.join(worker.args)} did not leave in peace")
        self.workers.remove(worker)

    def kill(self, worker: "subprocess.Popen[str]") -> None:
        worker.kill()
        worker.wait()
        self.workers.remove(worker)
        self.settle()

    def settle(self) -> None:
        """Until every rank that runs is in the epoch."""
        end = time.monotonic() + EPOCH_LIMIT_S
        while time.monotonic() < end:
            status = json.loads(self._run("status", "--router", self._target, "-o", "json"))
            ready = [worker for worker in status["workers"] if worker["state"] == "ready"]
            if status["phase"] == "steady" and len(ready) == len(self.workers):
                return
            time.sleep(0.1)
        raise RuntimeError("the cluster does not come to rest:\n"
                           + self._run("status", "--router", self._target))

    def answer(self, question: str) -> str:
        return self._run("chat", "--router", self._target, "--message", question, "--seed", "7",
                         "--temperature", "1", "-n", TOKENS, "--ignore-eos")

    def _run(self, *words: str) -> str:
        run = subprocess.run([self._program, *words], capture_output=True, encoding="utf-8",
                             timeout=ANSWER_LIMIT_S, check=False)
        if run.returncode != 0:
            raise RuntimeError(f"sextant {' '.join(words)} failed: {run.stderr.strip()}")
        return run.stdout

    def stop(self) -> None:
        for worker in reversed(self.workers):
            worker.send_signal(signal.SIGTERM)
        for worker in self.workers:
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.wait(timeout=STOP_LIMIT_S)
            worker.kill()


def shrink(ranks: Ranks, count: int) -> None:
    while len(ranks.workers) > count:
        ranks.leave(ranks.workers[-1])
    ranks.settle()


CHANGES: list[tuple[str, collections.abc.Callable[[Ranks], None]]] = [
    ("to 2 colocated ranks", lambda ranks: ranks.add("colocated", 1)),
    ("to 4", lambda ranks: ranks.add("colocated", 2)),
    ("two more that hold experts alone", lambda ranks: ranks.add("expert", 2)),
    ("one of those leaves", lambda ranks: shrink(ranks, 5)),
    ("the other one is killed", lambda ranks: ranks.kill(ranks.workers[-1])),
    ("to 8", lambda ranks: ranks.add("colocated", 4)),
    ("one of the 8 is killed", lambda ranks: ranks.kill(ranks.workers[4])),
    ("to 3", lambda ranks: shrink(ranks, 3)),
]


def keep_asking(ranks: Ranks, question: str, wanted: str, done: threading.Event) -> int:
    """Until it is done, and once more; how many answers there were."""
    answers = 0
    last = False
    while not last:
        last = done.is_set()
        got = ranks.answer(question)
        if got != wanted:
            raise RuntimeError(f"{question!r} got another answer: {got!r}, not {wanted!r}")
        answers += 1
    return answers


def run(ranks: Ranks) -> None:
    ranks.settle()
    wanted = {question: ranks.answer(question) for question in QUESTIONS}
    for what, change in CHANGES:
        done = threading.Event()
        with concurrent.futures.ThreadPoolExecutor(len(wanted)) as pool:
            asking = [pool.submit(keep_asking, ranks, *item, done) for item in wanted.items()]
            began = time.monotonic()
            try:
                change(ranks)
            finally:
                took = time.monotonic() - began
                done.set()
        answers = sum(future.result() for future in asking)
        print(f"{what}: {took:.1f} s, {answers} equal answers meanwhile", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", metavar="SEXTANT")
    parser.add_argument("model", metavar="MODEL")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sextant-ranks-") as folder:
        ranks = Ranks(options.program, options.model, pathlib.Path(folder))
        try:
            ranks.start()
            run(ranks)
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            print(error, file=sys.stderr)
            return 1
        finally:
            ranks.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
