"""Starts `sextant` and says what it did; the tests beside this file share it.

    NAME_test.py SEXTANT [UNITTEST ARGUMENT...]
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "tests" / "golden" / "model"
TOKENIZER = ROOT / "tests" / "golden" / "tokenizer"
TIMEOUT_S = 120


class Result:
    def __init__(self, run):
        self.status = run.returncode
        self.out = run.stdout
        self.err = run.stderr.decode("utf-8")


class CliTest(unittest.TestCase):
    sextant = ""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="sextant-cli-")
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)

    def run_sextant(self, *arguments, stdin=b"", env=None, stdout=subprocess.PIPE):
        words = [self.sextant, *map(str, arguments)]
        return Result(subprocess.run(words, input=stdin, stdout=stdout, stderr=subprocess.PIPE,
                                     check=False, timeout=TIMEOUT_S,
                                     env={**os.environ, **(env or {})}))

    def succeed(self, *arguments, **options):
        result = self.run_sextant(*arguments, **options)
        self.assertEqual(result.status, 0, result.err)
        return result

    def fail_with(self, message, *arguments, printed=b"", **options):
        """One line on standard error, with `message` in it, and nothing else left behind."""
        before = self.files()
        result = self.run_sextant(*arguments, **options)
        self.assertNotEqual(result.status, 0, result.out)
        self.assertGreater(result.status, 0, f"it died of a signal: {result.err}")
        self.assertRegex(result.err, r"\Asextant[^\n]*: [^\n]+\n\Z")
        self.assertIn(message, result.err)
        self.assertEqual(result.out or b"", printed)
        self.assertEqual(self.files(), before)
        return result

    def files(self):
        return sorted((path.as_posix(), path.stat().st_size) for path in self.dir.rglob("*"))

    def copy_model(self, name, **changes):
        """A golden model's folder to spoil, its config.json changed."""
        folder = self.dir / f"model{len(list(self.dir.iterdir()))}"
        shutil.copytree(GOLDEN / name, folder)
        for path in folder.iterdir():
            path.chmod(0o644)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config.update(changes)
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        return folder

    def make_text_model(self):
        """A random model whose vocabulary is that of the golden tokenizer."""
        config = json.loads((GOLDEN / "lite" / "config.json").read_text(encoding="utf-8"))
        config.update(vocab_size=1300, bos_token_id=1200, eos_token_id=1201)
        path = self.dir / "shape.json"
        path.write_text(json.dumps(config), encoding="utf-8")
        self.succeed("make-checkpoint", "--config", path, "--seed", 1, "--out",
                     self.dir / "text", "--tokenizer", TOKENIZER)
        return self.dir / "text"


def main():
    CliTest.sextant = str(pathlib.Path(sys.argv.pop(1)).resolve())
    unittest.main(module="__main__")
