"""What the report says of the machine: its GPU by nvidia-smi, and the versions at work."""

import datetime
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys


class NoGpu(Exception):
    """Says why there is none to be used."""


def text_of(*command: str) -> str:
    """What a program prints; "" where it cannot be run or fails."""
    try:
        run = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace",
                             check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return run.stdout.strip() if run.returncode == 0 else ""


def query(*names: str) -> dict[str, str] | None:
    """nvidia-smi's values of the first GPU; None where it has none or does not know a name."""
    line = text_of("nvidia-smi", "--query-gpu=" + ",".join(names), "--format=csv,noheader,nounits")
    if not line:
        return None
    return dict(zip(names, (value.strip() for value in line.splitlines()[0].split(","))))


def gpu() -> dict[str, str]:
    """Of the first GPU, which is the one that CUDA programs take."""
    if shutil.which("nvidia-smi") is None:
        raise NoGpu("nvidia-smi is not installed, so there is no NVIDIA driver")
    rows = query("name", "driver_version", "memory.total", "memory.used", "compute_cap")
    if rows is None:
        raise NoGpu("nvidia-smi finds none")
    return rows


def compute_sanitizer() -> str | None:
    """Of the PATH, or of the toolkit."""
    toolkit = os.environ.get("CUDA_HOME", "/usr/local/cuda")
    folders = [os.environ.get("PATH", ""), f"{toolkit}/bin", f"{toolkit}/compute-sanitizer"]
    return shutil.which("compute-sanitizer", path=os.pathsep.join(folders))


def nccl_folder() -> str | None:
    """Of Python's package, which machines have that have no other NCCL."""
    folders = (pathlib.Path(path, "nvidia", "nccl", "lib") for path in sys.path if path)
    return next((str(folder) for folder in folders if (folder / "libnccl.so.2").is_file()), None)


def memory_mib(of_gpu: dict[str, str]) -> int:
    return int(float(of_gpu["memory.total"]))


def first_match(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found.group(1).strip() if found else "unknown"


def describe(of_gpu: dict[str, str], version: str) -> list[tuple[str, str]]:
    """`version`: the bundle's file VERSION, lines "what: which"."""
    cuda = first_match(r"CUDA Version:\s*([\d.]+)", text_of("nvidia-smi"))
    nvcc = first_match(r"release ([\d.]+)", text_of("nvcc", "--version"))
    cpuinfo = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    processor = first_match(r"model name\s*:(.*)", cpuinfo)
    rows = [
        ("device", f"{of_gpu['name']}, compute capability {of_gpu['compute_cap']}, "
                   f"{of_gpu['memory.total']} MiB of which {of_gpu['memory.used']} were in use"),
        ("driver", f"{of_gpu['driver_version']}, for CUDA up to {cuda}; nvcc here: {nvcc}"),
        ("processor", f"{processor}, {os.cpu_count()} processors"),
        ("system", f"Linux {platform.release()}, glibc {platform.libc_ver()[1]}, "
                   f"Python {platform.python_version()}"),
        ("date", datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")),
    ]
    limits = query("clocks.max.sm", "clocks.max.memory", "power.limit")
    if limits is not None:
        rows.insert(1, ("at most", f"{limits['clocks.max.sm']} MHz, memory "
                                   f"{limits['clocks.max.memory']} MHz, {limits['power.limit']} W"))
    rows += [tuple(line.split(": ", 1)) for line in version.splitlines() if ": " in line]
    return rows
