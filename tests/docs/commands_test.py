"""Shows that commands.py finds commands in pages and what is wrong with them."""

import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import commands  # noqa: E402

FAKE = """#!/bin/sh
case "$1" in
  generate) echo "  --model DIR   --threads N  -o FILE" ;;
  --help) echo "  --version" ;;
  *) exit 2 ;;
esac
"""


class CommandsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        (self.root / "CMakePresets.json").write_text(
            '{"configurePresets": [{"name": "dev"}, {"name": "base", "hidden": true}]}',
            encoding="utf-8")
        self.sextant = self.root / "sextant"
        self.sextant.write_text(FAKE, encoding="utf-8")
        self.sextant.chmod(0o755)
        self.checker = commands.Checker(self.root, str(self.sextant))

    def problems(self, command):
        return list(self.checker.problems(command))

    def test_only_console_lines_with_a_prompt_are_commands(self):
        text = "```console\n$ a --b \\\n    --c\noutput\n```\n```cpp\n$ d\n```\n"
        self.assertEqual(list(commands.commands(text)), ["a --b      --c"])

    def test_a_known_flag_holds(self):
        self.assertEqual(self.problems("build/bin/sextant generate --model x --threads 2 -o y"), [])

    def test_an_unknown_flag_is_found(self):
        self.assertEqual(len(self.problems("build/bin/sextant generate --mode x")), 1)

    def test_flags_are_found_behind_a_pipe_and_an_assignment(self):
        self.assertEqual(len(self.problems("cat a | A=1 build/bin/sextant generate --no")), 1)

    def test_an_unknown_command_is_found(self):
        self.assertEqual(len(self.problems("build/bin/sextant invent --model x")), 1)

    def test_what_runs_in_a_pod_is_held_to_the_program_too(self):
        self.assertEqual(self.problems("kubectl exec deployment/a -- sextant generate --model x"), [])
        self.assertEqual(len(self.problems("kubectl exec deployment/a -- sextant generate --no")), 1)

    def test_a_missing_script_is_found(self):
        self.assertEqual(len(self.problems("./deploy/nothing")), 1)

    def test_presets_are_known(self):
        self.assertEqual(self.problems("cmake --preset dev && ninja"), [])
        self.assertEqual(len(self.problems("cmake --preset base")), 1)

    def test_a_dead_link_is_found(self):
        page = self.root / "README.md"
        found = list(commands.link_problems(page, "[a](b.md#c) [d](sextant) [e](https://x.y)"))
        self.assertEqual(found, ["the link to b.md leads nowhere"])


if __name__ == "__main__":
    unittest.main()
