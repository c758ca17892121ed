#!/usr/bin/env python3
"""Runs a test of this folder with a Python that has grpcio, on a cluster of its own.

    run.py client_test.py SEXTANT [UNITTEST ARGUMENT...]

A client knows nothing of Sextant but its .proto files: the stubs are made from them here, into
a temporary folder. ./tests/run puts grpcio into a virtual environment in the user's cache folder,
or the one that SEXTANT_PYTHON_CLIENT names; without it the test is skipped.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
SKIPPED = 77


def environment():
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(os.environ.get("SEXTANT_PYTHON_CLIENT", f"{cache}/sextant/python-client"))


def has_grpc(python):
    return python.exists() and subprocess.run(
        [python, "-c", "import grpc, grpc_tools"], capture_output=True, check=False).returncode == 0


def main():
    python = environment() / "bin" / "python"
    if not has_grpc(python):
        print(f"skipped: there is no grpcio in {environment()}; ./tests/run installs it from PyPI "
              "where that can be reached")
        return SKIPPED
    with tempfile.TemporaryDirectory(prefix="sextant-stubs-") as stubs:
        # In a folder of another name, so that nothing of this tree can be found by accident.
        protos = sorted(str(path.relative_to(ROOT / "proto"))
                        for path in (ROOT / "proto").rglob("*.proto"))
        subprocess.run([python, "-m", "grpc_tools.protoc", f"-I{ROOT / 'proto'}",
                        f"--python_out={stubs}", f"--grpc_python_out={stubs}", *protos],
                       check=True)
        return subprocess.run([python, "-B", HERE / sys.argv[1], *sys.argv[2:]],
                              env={**os.environ, "PYTHONPATH": stubs}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
