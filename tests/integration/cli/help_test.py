"""Every command explains itself."""

import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import support  # noqa: E402


class HelpTest(support.CliTest):
    def commands(self):
        text = self.succeed("--help").out.decode()
        names = re.findall(r"^  ([a-z][a-z-]*) {2,}", text.split("Subcommands:")[1], re.MULTILINE)
        self.assertLessEqual({"detokenize", "generate", "logits", "make-checkpoint", "tokenize"},
                             set(names))
        return names

    def test_help_of_each_command_names_every_flag_with_words(self):
        for name in self.commands():
            with self.subTest(command=name):
                result = self.succeed(name, "--help")
                self.assertEqual(result.err, "")
                text = result.out.decode()
                self.assertIn("Usage:", text)
                for flag in re.findall(r"^ +((?:-\w,)?--[\w-]+)[^\n]*$", text, re.MULTILINE):
                    self.assertRegex(text, rf"{re.escape(flag)}[^\n]*(  |\n +)\"?\w")


if __name__ == "__main__":
    support.main()
