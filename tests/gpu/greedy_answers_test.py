#!/usr/bin/env python3
"""Shows which answers greedy_answers.py takes for near-ties, and which for faults."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).parent / "greedy_answers.py"

# Says "answers", and logits by --dtype; without the devices that are asked for, or where the ids
# are not those before the difference, it fails.
SEXTANT = """#!{python}
import json, sys
known = json.load(open({facts!r}))
arguments = sys.argv[1:]
value = dict(zip(arguments, arguments[1:]))
if arguments[0] == "generate":
    assert value["--device"] == "cuda" and value["--temperature"] == "0"
    asked = [json.loads(line) for line in sys.stdin]
    assert [request["max_tokens"] for request in asked] == known["max_tokens"]
    for ids in known["answers"]:
        print(json.dumps({{"ids": ids}}))
else:
    assert value["--device"] == "cpu" and value["--ids"] == known["asked_ids"]
    print(json.dumps({{"logits": known[value["--dtype"]]}}))
"""

GOLDENS = [{"messages": [{"role": "user", "content": "One?"}], "prompt_ids": [1, 2], "ids": [0, 3]},
           {"messages": [{"role": "user", "content": "Two?"}], "prompt_ids": [3], "ids": [2, 1, 0]}]


class GreedyAnswersTest(unittest.TestCase):
    def run_script(self, answers, fp32=None, bf16=None, goldens=None):
        """The logits are those after the prompt and first id of the second golden."""
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            facts = folder / "facts.json"
            facts.write_text(json.dumps({"answers": answers, "fp32": fp32, "bf16": bf16,
                                         "max_tokens": [2, 3], "asked_ids": "3,2"}),
                             encoding="utf-8")
            sextant = folder / "sextant"
            sextant.write_text(SEXTANT.format(python=sys.executable, facts=str(facts)),
                               encoding="utf-8")
            sextant.chmod(0o755)
            evaluation = folder / "models" / "evaluation"
            evaluation.mkdir(parents=True)
            lines = [json.dumps(golden) + "\n" for golden in goldens or GOLDENS]
            (evaluation / "greedy_answers.jsonl").write_text("".join(lines), encoding="utf-8")
            return subprocess.run([sys.executable, "-B", str(SCRIPT), str(sextant), name],
                                  capture_output=True, text=True, check=False)

    def test_equal_answers(self):
        run = self.run_script([[0, 3], [2, 1, 0]])
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(run.stdout, "2 of 2 answers are equal, 0 part at a near-tie, 0 elsewhere\n")

    def test_a_near_tie_is_listed(self):
        # bf16 moves a logit by 0.1, so up to 0.4 apart is near.
        run = self.run_script([[0, 3], [2, 0, 0]], fp32=[1.0, 1.375, 0.0], bf16=[1.0, 1.275, 0.0])
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("1 of 2 answers are equal, 1 part at a near-tie, 0 elsewhere", run.stdout)
        self.assertIn('near-ties:\n  "Two?": id 1: 0 instead of 1, 0.37500 apart', run.stdout)

    def test_any_other_difference_is_a_failure(self):
        run = self.run_script([[0, 3], [2, 0, 0]], fp32=[1.0, 1.5, 0.0], bf16=[1.0, 1.4, 0.0])
        self.assertEqual(run.returncode, 1)
        self.assertIn('other differences:\n  "Two?": id 1: 0 instead of 1, 0.50000', run.stdout)

    def test_an_answer_that_ends_too_early_is_a_failure(self):
        run = self.run_script([[0, 3], [2]])
        self.assertEqual(run.returncode, 1)
        self.assertIn('"Two?": id 1: 1 ids instead of 3', run.stdout)

    def test_a_program_that_fails_is_a_failure(self):
        run = self.run_script([[0, 3], [2, 1, 0]], goldens=GOLDENS[:1])
        self.assertEqual(run.returncode, 1)
        self.assertIn("sextant generate failed", run.stderr)

    def test_a_missing_answer_is_a_failure(self):
        run = self.run_script([[0, 3]])
        self.assertEqual(run.returncode, 1)
        self.assertIn("2 prompts got 1 answers", run.stderr)


if __name__ == "__main__":
    unittest.main()
