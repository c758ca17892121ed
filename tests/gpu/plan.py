"""Which steps a run has, the most valuable first, and what each may take."""

import functools
import pathlib
import sys

import googletest
from steps import Step, exit_status

TEST_LIMIT_S = 60
ENGINE_TEST_LIMIT_S = 90
NCCL_TEST_LIMIT_S = 180  # some thirty processes with a context each, that share the card
ANSWERS_LIMIT_S = 60
CLUSTER_LIMIT_S = 60
RANKS_LIMIT_S = 180  # eight processes with a context each come and go
BENCH_LIMIT_S = 90
EXCHANGE_LIMIT_S = 90  # processes with a context each, and messages over sockets
KERNELS_LIMIT_S = 60
SANITIZED_LIMIT_S = 30

# A 40 GB card, on any that is larger.
DEVICE_MEMORY = "40GiB"
# Of the bench of the exchange, all on the card.
EXCHANGE_RANKS = (2, 4, 8)

# DeepSeek-V2-Lite's weights and 256 sequences of 4097 tokens: 29 GiB and 30 GiB, and workspaces.
WHOLE_CARD_MIB = 64 << 10

SANITIZER_TOOLS = ("memcheck", "racecheck", "initcheck")
# Left out under the sanitizer: sizes that take minutes there and no path that others do not.
TOO_LARGE_TO_SANITIZE = ("*TheWholeVocabularyOfTheModel",)


class Plan:
    """The folders: `data` holds models/ and tests/golden/, `v2_lite` the config.json of
    DeepSeek-V2-Lite; the tests leave what they found in `results`."""

    def __init__(self, programs: pathlib.Path, data: pathlib.Path, v2_lite: pathlib.Path,
                 results: pathlib.Path) -> None:
        self._programs = programs
        self._data = data
        self._v2_lite = v2_lite
        self._results = results
        self.left_out: list[str] = []  # and why

    def steps(self, memory_mib: int, sanitizer: str | None) -> list[Step]:
        tests = sorted(self._programs.glob("*_gpu_test"))
        kernels = [test for test in tests if test.name.startswith("kernels_")]
        others = [test for test in tests if test not in kernels]
        steps = [self._test(test, TEST_LIMIT_S) for test in kernels]
        steps += [self._test(test, NCCL_TEST_LIMIT_S if "nccl" in test.name else
                             ENGINE_TEST_LIMIT_S) for test in others]
        steps += [self._answers(), self._cluster(), *self._ranks(), *self._engine(memory_mib),
                  self._streams(), *self._exchange(), self._kernels()]
        if sanitizer is None:
            self.left_out.append("compute-sanitizer (memcheck, racecheck, initcheck): it is not "
                                 "installed here")
        else:
            steps += [self._sanitized(sanitizer, tool, test)
                      for tool in SANITIZER_TOOLS for test in kernels]
        return steps

    def _googletest(self, title, prefix, program, limit_s, log, left_out=()):
        results = self._results / f"{title.replace(' ', '-')}.json"
        command = [*prefix, str(program), f"--gtest_output=json:{results}",
                   "--gtest_filter=-" + ":".join(("*OnTheEmulator", *left_out))]
        return Step(title, command, limit_s, log, functools.partial(googletest.judge, results))

    def _test(self, program, limit_s):
        return self._googletest(program.name, [], program, limit_s, "tests.log")

    def _sanitized(self, sanitizer, tool, program):
        prefix = [sanitizer, "--tool", tool, "--error-exitcode", "9"]
        return self._googletest(f"{tool} {program.name}", prefix, program, SANITIZED_LIMIT_S,
                                "sanitizer.log", TOO_LARGE_TO_SANITIZE)

    def _answers(self):
        script = pathlib.Path(__file__).parent / "greedy_answers.py"
        command = [sys.executable, "-B", str(script), str(self._programs / "sextant"), str(self._data)]
        return Step("greedy answers of the bundled model", command, ANSWERS_LIMIT_S,
                    "greedy-answers.log", exit_status, shows_output=True)

    def _cluster(self):
        script = pathlib.Path(__file__).parent / "cluster.py"
        command = [sys.executable, "-B", str(script), str(self._programs / "sextant"),
                   str(self._data / "models" / "demo")]
        return Step("a cluster of one whole worker", command, CLUSTER_LIMIT_S, "cluster.log",
                    exit_status, shows_output=True)

    def _ranks(self):
        if not self._has_nccl("ranks that share the card"):
            return []
        script = pathlib.Path(__file__).parent / "ranks.py"
        command = [sys.executable, "-B", str(script), str(self._programs / "sextant"),
                   str(self._data / "models" / "demo")]
        return [Step("ranks that share the card", command, RANKS_LIMIT_S, "cluster.log",
                     exit_status, shows_output=True)]

    def _has_nccl(self, what):
        found = (self._programs / "sextant_nccl.so").is_file()
        if not found:
            self.left_out.append(f"{what}: the bundle was built without NCCL")
        return found

    def _bench(self, title, what, limit_s, *arguments):
        command = [str(self._programs / "sextant"), "bench", what, "--model", str(self._v2_lite),
                   *arguments]
        return Step(title, command, limit_s, "bench.log", exit_status, shows_output=True)

    def _bench_model(self, title, what, *arguments):
        return self._bench(title, what, BENCH_LIMIT_S, "--weights", "random", "--device", "cuda",
                           *arguments)

    def _bench_engine(self, title, *arguments):
        return self._bench_model(title, "engine", "--rounds", "3", "--kernels", *arguments)

    def _streams(self):
        return self._bench_model(f"bench streams, {DEVICE_MEMORY}, 32 at once", "streams",
                                 "--device-memory", DEVICE_MEMORY, "--streams", "32",
                                 "--requests", "64", "--prompt-tokens", "512",
                                 "--max-tokens", "128")

    def _exchange(self):
        if not self._has_nccl("bench exchange"):
            return []
        return [self._bench(f"bench exchange, {ranks} ranks on the card", "exchange",
                            EXCHANGE_LIMIT_S, "--ranks", str(ranks), "--gpus", "0",
                            "--batch", "1,32", "--prompt", "128", "--layers", "2",
                            "--rounds", "3")
                for ranks in EXCHANGE_RANKS]

    def _engine(self, memory_mib):
        """256 sequences of 4096 tokens are more than a 40 GB card caches, so 64 there."""
        steps = [
            self._bench_engine(f"bench engine, {DEVICE_MEMORY}, prefill and one sequence",
                               "--device-memory", DEVICE_MEMORY, "--prompt", "512,2048,8192",
                               "--batch", "1", "--context", "512"),
            self._bench_engine(f"bench engine, {DEVICE_MEMORY}, context 512",
                               "--device-memory", DEVICE_MEMORY, "--prompt", "0",
                               "--batch", "8,32,64,128,256", "--context", "512"),
            self._bench_engine(f"bench engine, {DEVICE_MEMORY}, context 4096",
                               "--device-memory", DEVICE_MEMORY, "--prompt", "0",
                               "--batch", "1,8,32,64", "--context", "4096"),
        ]
        title = "bench engine, the whole card, context 4096"
        if memory_mib >= WHOLE_CARD_MIB:
            steps.append(self._bench_engine(title, "--prompt", "0", "--batch", "128,256",
                                            "--context", "4096"))
        else:
            self.left_out.append(f"{title}, batches 128 and 256: the card has {memory_mib} MiB, "
                                 f"they need {WHOLE_CARD_MIB}")
        return steps

    def _kernels(self):
        return Step("kernel benchmark", [str(self._programs / "cuda_kernels_benchmark")],
                    KERNELS_LIMIT_S, "kernel-benchmark.log", exit_status, shows_output=True)
