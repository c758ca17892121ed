"""A bundle of shell scripts and a machine with a GPU of text, to test tests/gpu/run anywhere."""

import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tarfile

RUN = pathlib.Path(__file__).parent / "run"
TOOLS = ("sh", "cat", "sleep", "tar", "gzip", "python3", "env")

NVIDIA_SMI = """\
case "$*" in
  *name,driver_version*) echo "Fake GPU, 580.1, MEMORY, 7, 9.0" ;;
  *clocks*) echo "1980, 3201, 700.00" ;;
  "") echo "| NVIDIA-SMI 580.1   CUDA Version: 13.0 |" ;;
esac
"""

# The last of --gtest_output's, and then what the test of this program is to do.
GOOGLETEST = """\
for argument in "$@"; do
  case "$argument" in --gtest_output=json:*) results="${argument#*json:}" ;; esac
done
echo "$0 $*"
echo "SEXTANT_REQUIRE_GPU=$SEXTANT_REQUIRE_GPU SEXTANT_SOURCE_DIR=$SEXTANT_SOURCE_DIR"
"""

SANITIZER = """\
echo "sanitizer $1 $2"
shift 4  # --tool TOOL --error-exitcode 9
exec "$@"
"""

# Every process of a cluster is a worker that is ready, for as long as it runs.
SEXTANT = """\
case "$1" in
  generate) cat >/dev/null; echo '{"ids":[5,6]}' ;;
  bench) echo "decode 32 at 512  4321.0 tokens/s: $*" ;;
  chat) echo "an answer" ;;
  up | worker)
    : >"$0.worker.$$"
    echo "ready cluster 127.0.0.1:1"
    trap 'exit 0' TERM
    while :; do sleep 0.1; done ;;
  status)
    for file in "$0".worker.*; do
      kill -0 "${file##*.}" 2>/dev/null && workers="$workers,{\\"state\\":\\"ready\\"}"
    done
    case "$*" in
      *json) echo "{\\"phase\\":\\"steady\\",\\"workers\\":[${workers#,}]}" ;;
      *) echo "model demo, profile cuda" ;;
    esac ;;
esac
"""


def googletest(*tests: dict, status: int = 0, before: str = "") -> str:
    """A program whose results hold these tests, after it has done `before`."""
    results = {"testsuites": [{"name": "Fake", "testsuite": list(tests)}]}
    return (f"{GOOGLETEST}{before}\necho {shlex.quote(json.dumps(results))} >\"$results\"\n"
            f"exit {status}\n")


def passed(name: str) -> dict:
    return {"name": name, "status": "RUN", "result": "COMPLETED"}


def failed(name: str) -> dict:
    return {**passed(name), "failures": [{"failure": "it is wrong"}]}


def skipped(name: str) -> dict:
    return {**passed(name), "result": "SKIPPED"}


class FakeBundle:
    """`programs` and `tools` are scripts by name; a test changes what it wants otherwise."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self.bundle = folder / "bundle"
        self.out = folder / "out"
        self.memory_mib = 143771
        self.programs = {
            "kernels_a_gpu_test": googletest(passed("One"), passed("Two")),
            "engine_gpu_test": googletest(passed("Three")),
            "sextant": SEXTANT,
            "sextant_cuda.so": "",
            "cuda_kernels_benchmark": "echo 'norm with residual, 64 rows  12.3 us'",
        }
        self.tools = {"nvidia-smi": NVIDIA_SMI, "compute-sanitizer": SANITIZER}
        self.environment = {"CUDA_HOME": str(folder), "LC_ALL": "C.UTF-8"}

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        command, environment = self.prepare(*arguments)
        return subprocess.run(command, env=environment, capture_output=True, text=True,
                              check=False, timeout=100)

    def prepare(self, *arguments: str) -> tuple[list[str], dict[str, str]]:
        """The command, and an environment whose only programs are the tools."""
        tools = self._folder / "bin"
        tools.mkdir()
        for name in TOOLS:
            target = sys.executable if name == "python3" else shutil.which(name)
            (tools / name).symlink_to(target)
        for name, script in self.tools.items():
            write_script(tools / name, script.replace("MEMORY", str(self.memory_mib)))
        self._write_bundle()
        environment = {"PATH": str(tools), **self.environment}
        return ([sys.executable, str(RUN), str(self.bundle), "--out", str(self.out), *arguments],
                environment)

    def _write_bundle(self) -> None:
        evaluation = self.bundle / "models" / "evaluation"
        evaluation.mkdir(parents=True)
        (self.bundle / "models" / "demo").mkdir()
        golden = {"messages": [{"role": "user", "content": "Hi"}], "prompt_ids": [1], "ids": [5, 6]}
        (evaluation / "greedy_answers.jsonl").write_text(json.dumps(golden) + "\n",
                                                         encoding="utf-8")
        (self.bundle / "VERSION").write_text("commit: 0123456789ab\n", encoding="utf-8")
        programs = self._folder / "programs"
        programs.mkdir()
        with tarfile.open(self.bundle / "programs.tar.gz", "w:gz") as archive:
            for name, script in self.programs.items():
                write_script(programs / name, script)
                archive.add(programs / name, name)

    def report(self) -> str:
        return (self.out / "report.md").read_text(encoding="utf-8")

    def log(self, name: str) -> str:
        return (self.out / name).read_text(encoding="utf-8")


def write_script(path: pathlib.Path, text: str) -> None:
    path.write_text("#!/bin/sh\n" + text, encoding="utf-8")
    os.chmod(path, 0o755)
