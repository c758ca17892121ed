#!/usr/bin/env python3
"""Holds the layering of the tree: who may include whom.

    include_rules.py [ROOT]

Prints one line per violation and exits with 1 if there is any. The tables below are the rules;
a change of the layering is a change of a table, to be seen in review.
"""

import pathlib
import re
import sys

# Folder (the longest match counts) -> the folders that its files may include, itself besides.
MAY_INCLUDE = {
    "common/base": [],
    "common/tensor": ["common/base"],
    "common/device": ["common/base", "common/tensor"],
    "common": ["common", "proto"],
    "proto": [],
    "kernels": ["common/base", "common/tensor", "common/device", "kernels"],
    "kernels/cuda": ["common/device", "common/tensor"],
    "kernels/cuda/emulation": ["common/base", "common/device", "common/tensor", "kernels/cuda"],
    "kernels/sampling": [
        "common/base", "common/tensor", "common/device", "common/sampling_params", "kernels",
    ],
    "router": ["common", "proto"],
    "attention_worker": ["common", "proto", "kernels"],
    "expert_worker": ["common", "proto", "kernels"],
    "cli": ["common", "proto", "kernels", "router", "attention_worker", "expert_worker"],
    "tests": [
        "common", "proto", "kernels", "router", "attention_worker", "expert_worker", "cli",
    ],
}

# Library, or folder of ours -> the only folders that may include it.
ONLY_IN = {
    "CLI/": ["cli", "common/program", "attention_worker/program", "expert_worker/program",
             "router/program", "tests/benchmark/cluster_cost_benchmark.cc", "tests/chaos/chaos.cc"],
    "benchmark/": ["tests", "cli"],
    "cuda_runtime": ["common/exchange/nccl_module/module_entry.cc",
                     "common/exchange/nccl_module/nccl_communicator.cc",
                     "kernels/cuda/device_nvcc.h", "kernels/cuda_module/cuda_driver.cc",
                     "tests/benchmark/cuda_benchmark.cc",
                     "tests/support/device/device_memory_cuda.cc"],
    "gmock/": ["tests"],
    "grpc/": ["common/exchange", "common/rpc", "router/service", "attention_worker/service",
              "expert_worker/service", "cli", "tests"],
    "google/protobuf/": ["common/errors", "common/rpc", "common/exchange", "tests"],
    "grpcpp/": ["common/exchange", "common/membership", "common/rpc", "router/service",
                "attention_worker/service", "expert_worker/service", "cli", "tests"],
    "gtest/": ["tests"],
    "kernels/cuda/emulation/": ["kernels/cuda/device.h", "kernels/cuda/emulation", "tests"],
    "nccl.h": ["common/exchange/nccl_module/nccl_communicator.h",
               "tests/unit/common/exchange/nccl_module"],
    "nlohmann/": ["common", "router", "cli", "tests"],
    "pcre2.h": ["router", "tests"],
    "prometheus/": ["common/observability", "tests"],
    "yaml-cpp/": ["common/config", "tests"],
}

# A source of one instruction set must not define a function that the linker could pick for the
# whole program, so it includes nothing that is full of inline functions.
ISA_SOURCE = re.compile(r"_(avx2|avx512)\.cc$")
ISA_FORBIDDEN = re.compile(
    r"^(absl/|algorithm$|array$|functional$|map$|memory$|numeric$|ranges$|string$|utility$|vector$)"
)

# Device code stays in files that nvcc compiles, so that nothing else needs its headers.
DEVICE_CODE = re.compile(r"(\.cuh|kernels/cuda/device.*\.h|kernels/cuda/emulation/.*)$")
MAY_HOLD_DEVICE_CODE = re.compile(
    r"(\.cu|\.cuh)$|^kernels/cuda/|^tests/unit/kernels/cuda/"
    r"|^tests/support/device/(.*_emulated\.cc|emulated_gpu\.h)$")

SUFFIXES = {".h", ".cc", ".cu", ".cuh"}
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.MULTILINE)
NOT_CODE = {"build", "cmake"}


def within(path, folders):
    return any(path == folder or path.startswith(folder + "/") for folder in folders)


def owner(path):
    """The longest entry of MAY_INCLUDE that `path` lies in, or None."""
    entries = [folder for folder in MAY_INCLUDE if path.startswith(folder + "/")]
    return max(entries, key=len, default=None)


def include_problem(path, quote, name):
    """Why `path` must not include `name`, or None."""
    for library, folders in ONLY_IN.items():
        if name.startswith(library) and not within(path, folders):
            return f"only {', '.join(folders)} may include <{name}>"
    if ISA_SOURCE.search(path) and ISA_FORBIDDEN.search(name):
        return f"a source of one instruction set must not include <{name}>"
    if DEVICE_CODE.search(name) and not MAY_HOLD_DEVICE_CODE.search(path):
        return f'only .cu and .cuh files may include the device code of "{name}"'
    target = owner(name)
    if target is None:
        if quote == '"' and not name.startswith(("absl/", "proto/")) and not any(
                name.startswith(library) for library in ONLY_IN):
            return f'"{name}" is not written from the repository root'
        return None
    source = owner(path)
    if not within(name, MAY_INCLUDE[source] + [source]):
        return f'{source} must not include "{name}"'
    return None


def file_problems(path, text):
    if owner(path) is None:
        return [f"{path}: its folder is in no layer; add it to MAY_INCLUDE"]
    found = (include_problem(path, quote, name) for quote, name in INCLUDE.findall(text))
    return [f"{path}: {problem}" for problem in found if problem]


def top_folders(root):
    return [folder for folder in sorted(root.iterdir())
            if folder.is_dir() and folder.name not in NOT_CODE
            and not folder.name.startswith((".", "_"))]


def tree_problems(root):
    problems = []
    files = 0
    for folder in top_folders(root):
        if not (folder / "README.md").is_file():
            problems.append(f"{folder.name}: it has no README.md")
        for file in sorted(folder.rglob("*")):
            if file.suffix in SUFFIXES and file.is_file():
                files += 1
                path = file.relative_to(root).as_posix()
                problems += file_problems(path, file.read_text(encoding="utf-8"))
    if files == 0:
        problems.append(f"{root}: no source file found")
    return problems


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    problems = tree_problems(root)
    print("\n".join(problems) or "the include rules hold")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
