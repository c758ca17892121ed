"""Shows that metrics.py sees what is missing, surplus or of another type."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import metrics  # noqa: E402

HEADER = """
inline constexpr GaugeName kA = {"vllm:a", "help"};
inline constexpr HistogramName kB = {
    "sextant_b_seconds", "help", kSecondsBuckets};
"""
PROCESS = """
  Append(families, "process_open_fds", "help", MetricType::Gauge, OpenFiles());
  Append(families, "process_cpu_seconds_total", "help",
         MetricType::Counter, CpuSeconds());
"""
PAGE = """
| `vllm:a` | gauge | x |
| `sextant_b_seconds` | histogram | x |
| `process_open_fds` | gauge | x |
| `process_cpu_seconds_total` | counter | x |
"""


class MetricsTest(unittest.TestCase):
    def found(self, page):
        return list(metrics.problems(metrics.in_code(HEADER, PROCESS), page))

    def test_a_complete_page_has_no_problem(self):
        self.assertEqual(self.found(PAGE), [])

    def test_a_missing_one_is_named(self):
        self.assertEqual(self.found(PAGE.replace("| `vllm:a` | gauge | x |\n", "")),
                         ["docs/metrics.md does not explain vllm:a"])

    def test_a_surplus_one_is_named(self):
        self.assertEqual(self.found(PAGE + "| `sextant_c` | gauge | x |\n"),
                         ["docs/metrics.md explains sextant_c, which no process exports"])

    def test_another_type_is_named(self):
        self.assertEqual(self.found(PAGE.replace("`vllm:a` | gauge", "`vllm:a` | counter")),
                         ["docs/metrics.md calls vllm:a a counter; it is a gauge"])


if __name__ == "__main__":
    unittest.main()
