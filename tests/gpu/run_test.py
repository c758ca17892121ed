#!/usr/bin/env python3
"""Shows what tests/gpu/run makes of programs that pass, fail, skip, crash and hang."""

import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent))
import plan  # noqa: E402
from fake_bundle import FakeBundle, failed, googletest, passed, skipped  # noqa: E402
from steps import KEPT_BYTES, Step, exit_status, run_step  # noqa: E402

KERNELS = "kernels_a_gpu_test"


class RunTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.fake = FakeBundle(pathlib.Path(folder.name))

    def row(self, title):
        """Of the report's table: result and what there is to say."""
        for line in self.fake.report().splitlines():
            if line.startswith(f"| {title} |"):
                cells = [cell.strip() for cell in line.strip("|").split("|")]
                return cells[1], cells[3]
        return self.fail(f"no row for {title} in\n{self.fake.report()}")

    def test_a_run_that_passes(self):
        run = self.fake.run()
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        report = self.fake.report()
        for text in ("# Sextant on a GPU: passed", "Fake GPU, compute capability 9.0, 143771 MiB",
                     "| driver | 580.1, for CUDA up to 13.0; nvcc here: unknown |",
                     "| commit | 0123456789ab |", "decode 32 at 512  4321.0 tokens/s",
                     "norm with residual, 64 rows  12.3 us", "1 of 1 answers are equal"):
            self.assertIn(text, report)
        self.assertEqual(self.row(KERNELS), ("passed", "2 passed"))
        for tool in ("memcheck", "racecheck", "initcheck"):
            self.assertEqual(self.row(f"{tool} {KERNELS}")[0], "passed")
            self.assertIn(f"sanitizer --tool {tool}", self.fake.log("sanitizer.log"))
        self.assertNotIn("Left out", report)
        self.assertLessEqual(len(list(self.fake.out.iterdir())), 8)

    def test_the_most_valuable_comes_first(self):
        self.fake.run()
        titles = [line.split("|")[1].strip() for line in self.fake.report().splitlines()
                  if line.endswith(".log |")]
        wanted = [KERNELS, "engine_gpu_test", "greedy answers of the bundled model",
                  "a cluster of one whole worker",
                  "ranks that share the card",
                  "bench engine, 40GiB, prefill and one sequence", "kernel benchmark",
                  f"memcheck {KERNELS}"]
        self.assertEqual(sorted(wanted, key=titles.index), wanted)

    def test_the_logs_of_an_earlier_run_are_replaced_and_other_files_stay(self):
        self.fake.out.mkdir()
        for name in ("tests.log", "other.log"):
            (self.fake.out / name).write_text("earlier", encoding="utf-8")
        self.fake.run()
        self.assertNotIn("earlier", self.fake.log("tests.log"))
        self.assertEqual(self.fake.log("other.log"), "earlier")

    def test_tests_may_not_skip_and_find_their_files_in_the_bundle(self):
        self.fake.run()
        log = self.fake.log("tests.log")
        self.assertIn(f"SEXTANT_REQUIRE_GPU=1 SEXTANT_SOURCE_DIR={self.fake.bundle}", log)
        self.assertIn("--gtest_filter=-*OnTheEmulator", log)

    def test_programs_find_the_modules_beside_them_and_nccl_in_pythons_package(self):
        package = self.fake.bundle.parent / "packages"
        library = package / "nvidia" / "nccl" / "lib" / "libnccl.so.2"
        library.parent.mkdir(parents=True)
        library.touch()
        self.fake.programs[KERNELS] = googletest(passed("One"), before=(
            'echo "$(cat "$SEXTANT_CUDA_MODULE")"; echo "$(cat "$SEXTANT_NCCL_MODULE")"; '
            'echo "libraries: $LD_LIBRARY_PATH"'))
        self.fake.programs["sextant_nccl.so"] = "echo module of NCCL"
        self.fake.programs["sextant_cuda.so"] = "echo module of CUDA"
        self.fake.environment["PYTHONPATH"] = str(package)
        self.fake.run()
        log = self.fake.log("tests.log")
        for text in ("module of CUDA", "module of NCCL", f"libraries: {library.parent}\n"):
            self.assertIn(text, log)

    def test_a_failed_test_fails_the_run_and_the_rest_still_runs(self):
        self.fake.programs[KERNELS] = googletest(passed("One"), failed("Two"), status=1,
                                                 before="echo expected 1, got 2")
        run = self.fake.run()
        self.assertEqual(run.returncode, 1)
        self.assertEqual(self.row(KERNELS), ("failed", "1 passed; Fake.Two failed"))
        self.assertEqual(self.row("engine_gpu_test")[0], "passed")
        self.assertEqual(self.row("kernel benchmark")[0], "passed")
        self.assertIn("# Sextant on a GPU: FAILED", self.fake.report())
        self.assertIn("expected 1, got 2", self.fake.report().split("## Failures")[1])

    def test_many_failures_are_counted(self):
        tests = [failed(f"Test{i}") for i in range(9)]
        self.fake.programs[KERNELS] = googletest(*tests, status=1)
        self.fake.run()
        self.assertEqual(self.row(KERNELS)[1], "0 passed; Fake.Test0 failed, Fake.Test1 failed, "
                                               "Fake.Test2 failed and 6 more")

    def test_a_skipped_test_is_a_failure(self):
        self.fake.programs[KERNELS] = googletest(passed("One"), skipped("Two"))
        self.assertEqual(self.fake.run().returncode, 1)
        self.assertEqual(self.row(KERNELS), ("failed", "1 passed; Fake.Two was skipped"))

    def test_a_program_without_a_test_is_a_failure(self):
        self.fake.programs[KERNELS] = googletest()
        self.assertEqual(self.fake.run().returncode, 1)
        self.assertEqual(self.row(KERNELS)[0], "failed")

    def test_a_crash_is_a_failure(self):
        self.fake.programs[KERNELS] = "kill -SEGV $$"
        self.assertEqual(self.fake.run().returncode, 1)
        self.assertIn("it has crashed", self.row(KERNELS)[1])

    def test_a_failed_benchmark_is_a_failure(self):
        self.fake.programs["cuda_kernels_benchmark"] = "echo out of memory >&2; exit 3"
        self.assertEqual(self.fake.run().returncode, 1)
        self.assertEqual(self.row("kernel benchmark"), ("failed", "exit status 3"))
        self.assertIn("out of memory", self.fake.report().split("## Failures")[1])

    def test_what_does_not_fit_into_the_time_is_no_success(self):
        self.fake.programs[KERNELS] = "sleep 1000"
        run = self.fake.run("--minutes", "0.01")
        self.assertEqual(run.returncode, 1)
        self.assertEqual(self.row(KERNELS)[0], "failed")
        self.assertIn("its time limit", self.row(KERNELS)[1])
        self.assertEqual(self.row("kernel benchmark"),
                         ("not run", "the time for all steps is over"))

    def test_a_missing_sanitizer_is_said(self):
        del self.fake.tools["compute-sanitizer"]
        run = self.fake.run()
        self.assertEqual(run.returncode, 0, run.stdout)
        self.assertIn("compute-sanitizer (memcheck", self.fake.report().split("## Left out")[1])
        self.assertIn("left out: compute-sanitizer", run.stdout)

    def test_a_small_card_is_not_asked_for_what_needs_a_large_one(self):
        self.fake.memory_mib = 40960
        self.assertEqual(self.fake.run().returncode, 0)
        self.assertNotIn("--batch 128,256 ", self.fake.log("bench-engine.log"))
        self.assertIn("the card has 40960 MiB", self.fake.report().split("## Left out")[1])

    def test_without_a_gpu_it_refuses(self):
        for script in (None, "exit 9"):
            with self.subTest(script), tempfile.TemporaryDirectory() as folder:
                fake = FakeBundle(pathlib.Path(folder))
                del fake.tools["nvidia-smi"]
                if script is not None:
                    fake.tools["nvidia-smi"] = script
                run = fake.run()
                self.assertEqual(run.returncode, 2)
                self.assertIn("no GPU can be used here: nvidia-smi", run.stderr)
                self.assertFalse(fake.out.exists())

    def test_an_incomplete_bundle_is_refused(self):
        del self.fake.programs["sextant_cuda.so"]
        run = self.fake.run()
        self.assertEqual(run.returncode, 2)
        self.assertIn("lacks sextant_cuda.so", run.stderr)

    def test_a_run_that_is_ended_leaves_a_report_and_no_program(self):
        pid_file = self.fake.bundle.parent / "pid"
        self.fake.programs["engine_gpu_test"] = f"echo $$ >{pid_file}.new\n" \
            f"mv {pid_file}.new {pid_file}\nexec sleep 1000"
        command, environment = self.fake.prepare()
        environment["PATH"] += ":/usr/bin:/bin"  # mv
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as run:
            until(pid_file.exists)
            run.send_signal(signal.SIGTERM)
            run.wait()
        pid = int(pid_file.read_text(encoding="utf-8"))
        self.assertFalse(pathlib.Path(f"/proc/{pid}").exists())
        self.assertEqual(self.row(KERNELS)[0], "passed")
        self.assertEqual(self.row("engine_gpu_test")[0], "still to come")
        self.assertIn("# Sextant on a GPU: FAILED", self.fake.report())


class PlanTest(unittest.TestCase):
    def test_what_is_left_out_under_the_sanitizer_exists(self):
        unit = pathlib.Path(__file__).parents[1] / "unit"
        text = "".join(file.read_text(encoding="utf-8") for file in unit.rglob("*_cuda_test.cc"))
        for pattern in plan.TOO_LARGE_TO_SANITIZE:
            self.assertIn(pattern.lstrip("*"), text)


class StepTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.logs = pathlib.Path(folder.name)

    def run_script(self, script, limit_s=60.0, left_s=60.0):
        step = Step("step", ["sh", "-c", script], limit_s, "log", exit_status)
        return run_step(step, self.logs, {}, left_s)

    def test_a_hang_ends_at_the_limit_with_all_that_it_started(self):
        result = self.run_script("sleep 1000 & echo $!; wait", limit_s=1)
        self.assertEqual((result.status, result.what),
                         ("failed", "stopped after 1 s, its time limit"))
        until(lambda: not alive(int(result.output)))

    def test_the_time_for_all_steps_limits_each(self):
        self.assertIn("stopped after 1 s", self.run_script("exec sleep 1000", left_s=1).what)
        self.assertEqual(self.run_script("exit 0", left_s=0).status, "not run")

    def test_a_program_that_cannot_be_started_fails(self):
        step = Step("step", [str(self.logs / "none")], 60, "log", exit_status)
        self.assertEqual(run_step(step, self.logs, {}, 60).what, "exit status 127")

    def test_long_output_keeps_its_ends(self):
        count = 3 * KEPT_BYTES
        result = self.run_script(f"echo first; head -c {count} /dev/zero | tr '\\0' x; echo last")
        log = (self.logs / "log").read_text(encoding="utf-8")
        self.assertLess(len(log), 2 * KEPT_BYTES + 1000)
        for text in (log, result.output):
            self.assertIn("first\nx", text)
            self.assertTrue(text.endswith("xlast\n"))
            self.assertIn("bytes left out", text)
        self.run_script("echo next")
        self.assertTrue((self.logs / "log").read_text(encoding="utf-8").endswith("\nnext\n"))


def alive(pid):
    """An ended process that nobody has waited for yet has ended."""
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1]
    except OSError:
        return False
    return state.split()[0] != "Z"


def until(condition):
    end = time.monotonic() + 60
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("it did not come about within a minute")
        time.sleep(0.01)


if __name__ == "__main__":
    unittest.main()
