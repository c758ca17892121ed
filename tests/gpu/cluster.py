#!/usr/bin/env python3
"""Serves a model as a cluster of one process on a GPU, and times what clients get.

    cluster.py SEXTANT MODEL [--device cuda]

Starts `sextant up` with a router and a whole worker, sends it requests, prints the table of
`sextant bench serve`, and has it stop. The exit status is 1 if anything of that fails, or if
something else than the device computes.
"""

import argparse
import pathlib
import signal
import subprocess
import sys
import tempfile

READY = "ready cluster "
STOP_LIMIT_S = 20


def ask(program: str, *words: str) -> str:
    run = subprocess.run([program, *words], capture_output=True, encoding="utf-8", check=False)
    if run.returncode != 0:
        raise RuntimeError(f"sextant {' '.join(words)} failed: {run.stderr.strip()}")
    return run.stdout


def use(program: str, target: str, device: str) -> None:
    status = ask(program, "status", "--router", target)
    print(status)
    profile = "cuda" if device == "cuda" else "cpu-"
    if f"profile {profile}" not in status:
        raise RuntimeError(f"the cluster does not compute on {device}")
    print(ask(program, "bench", "serve", "--router", target, "--concurrency", "8",
              "--requests", "32"))


def serve(program: str, model: str, device: str, folder: pathlib.Path) -> int:
    config = folder / "cluster.yaml"
    config.write_text(f"engine:\n  device: {device}\n", encoding="utf-8")
    command = [program, "up", "--in-process", "--whole", "1", "--model", model, "--config",
               str(config), "--listen", "127.0.0.1:0", "--runtime-dir", str(folder / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as cluster:
        try:
            ready = next((line for line in cluster.stdout if line.startswith(READY)), "")
            if not ready:
                raise RuntimeError("sextant up has ended before it was ready")
            use(program, ready.removeprefix(READY).split()[0], device)
            cluster.send_signal(signal.SIGTERM)
            return cluster.wait(timeout=STOP_LIMIT_S)
        finally:
            cluster.kill()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", metavar="SEXTANT")
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sextant-cluster-") as folder:
        try:
            return serve(options.program, options.model, options.device, pathlib.Path(folder))
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            print(error, file=sys.stderr)
            return 1


if __name__ == "__main__":
    sys.exit(main())
