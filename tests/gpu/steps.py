"""Runs programs one after another, each under a time limit, with its output in a log.

A step never ends the run. Its output goes to the log while it runs, and is cut to its beginning and
end afterwards.
"""

import collections.abc
import dataclasses
import os
import pathlib
import shlex
import signal
import subprocess
import time

KEPT_BYTES = 512 << 10  # of a step's output, at each end

# What a step's judge says: a line about what was done, and what is wrong with it ("": nothing).
Verdict = tuple[str, str]


@dataclasses.dataclass(frozen=True)
class Step:
    """`judge` gets the exit status and the output; "" as the verdict's second half means passed."""

    title: str
    command: list[str]
    limit_s: float
    log: str
    judge: collections.abc.Callable[[int, str], Verdict]
    shows_output: bool = False  # in the report: a benchmark's table


@dataclasses.dataclass(frozen=True)
class Result:
    step: Step
    status: str  # passed, failed, "not run"
    what: str
    output: str
    seconds: float


def exit_status(status: int, _: str) -> Verdict:
    return "", "" if status == 0 else f"exit status {status}"


def run_step(step: Step, logs: pathlib.Path, environment: dict[str, str],
             left_s: float) -> Result:
    """`left_s`: of the time that all steps share."""
    limit_s = min(step.limit_s, left_s)
    if limit_s <= 0:
        return Result(step, "not run", "the time for all steps is over", "", 0)
    begin = time.monotonic()
    with (logs / step.log).open("ab+") as log:
        log.write(f"\n==== {step.title}\n$ {shlex.join(step.command)}\n".encode())
        log.flush()
        start = log.tell()
        status = run_limited(step.command, log, environment, limit_s)
        output = cut_output(log, start)
    seconds = time.monotonic() - begin
    if status is None:
        what = f"stopped after {limit_s:.0f} s, its time limit"
        return Result(step, "failed", what, output, seconds)
    done, wrong = step.judge(status, output)
    what = "; ".join(text for text in (done, wrong) if text)
    return Result(step, "failed" if wrong else "passed", what, output, seconds)


def run_limited(command, log, environment, limit_s):
    """The exit status, negative for a signal; None where the time limit ended it."""
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   env={**os.environ, **environment}, start_new_session=True)
    except OSError as error:
        log.write(f"{error}\n".encode())
        return 127
    try:
        return process.wait(timeout=limit_s)
    except subprocess.TimeoutExpired:
        return None
    finally:
        # What it started ends with it, in time or not.
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


def cut_output(log, start: int) -> str:
    log.seek(start)
    output = log.read()
    if len(output) > 2 * KEPT_BYTES:
        left_out = len(output) - 2 * KEPT_BYTES
        output = (output[:KEPT_BYTES] + f"\n[{left_out} bytes left out]\n".encode() +
                  output[-KEPT_BYTES:])
        log.truncate(start)
        log.write(output)
    return output.decode("utf-8", "replace")
