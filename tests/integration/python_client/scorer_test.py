"""Scores the bundled model through a live cluster, as models/evaluation/score.py --endpoint does.

    scorer_test.py SEXTANT [UNITTEST ARGUMENT...]     (run.py starts it)
"""

import pathlib
import re
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from cluster import Cluster  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[3]
PER_TASK = 2
LEAST_PERCENT = 90
SEXTANT = ""


def score(target, *flags):
    return subprocess.run(
        [sys.executable, "-B", ROOT / "models/evaluation/score.py", "--endpoint", target,
         "--per-task", str(PER_TASK), *flags], capture_output=True, text=True, check=False)


class ScorerTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(SEXTANT, ROOT / "models/demo", "--experts", 2)

    @classmethod
    def tearDownClass(cls):
        status = cls.cluster.stop()
        assert status == 0, f"sextant up ended with status {status}"

    def test_a_cluster_answers_as_the_model_does(self):
        run = score(self.cluster.target, "--wrong")
        self.assertEqual(run.returncode, 0, run.stderr)
        everything = re.search(r"^all +(\d+) +(\d+)", run.stdout, re.MULTILINE)
        right, asked = map(int, everything.groups())
        self.assertGreaterEqual(asked, 20 * PER_TASK)
        self.assertGreaterEqual(100 * right, LEAST_PERCENT * asked, run.stdout)

    def test_what_the_cluster_refuses_is_said(self):
        run = score(self.cluster.target, "--name", "another")
        self.assertNotEqual(run.returncode, 0)
        self.assertIn(f"{self.cluster.target} answered NOT_FOUND", run.stderr)


if __name__ == "__main__":
    SEXTANT = sys.argv.pop(1)
    unittest.main()
