#!/usr/bin/env python3
"""Holds the documentation to the programs.

    commands.py SEXTANT [ROOT]

Reads README.md and the pages under docs/ and in each folder. In their blocks of kind `console`
the lines that start with "$ " are commands, and of each it checks: a program in the tree exists,
`sextant COMMAND --flag` is named by `sextant COMMAND --help` (likewise the scripts, and what
`kubectl exec` runs), and `cmake --preset NAME` is a preset. Every relative link leads to a file. Prints what is wrong, one
line each, and exits with 1 if there is anything.
"""

import json
import pathlib
import re
import shlex
import subprocess
import sys

BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
SKIPPED_FOLDERS = {"build", ".git"}
SCRIPTS_WITH_HELP = {"./deploy/quickstart", "./tests/run", "tests/fuzz/run", "tests/gpu/bundle",
                     "tests/gpu/run"}
PREFIXES = {"time", "env", "nice", "sudo"}


def pages(root):
    for page in sorted(root.rglob("*.md")):
        if not SKIPPED_FOLDERS & set(page.relative_to(root).parts):
            yield page


def commands(text):
    """The commands of the console blocks, continued lines joined."""
    for block in BLOCK.findall(text):
        joined = block.replace("\\\n", " ")
        for line in joined.splitlines():
            if line.startswith("$ "):
                yield line[2:]


def pipeline(command):
    """The words of each program in a command line, without assignments and redirections."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words = []
    for word in lexer:
        if word in ("|", "&&", ";", "||"):
            if words:
                yield words
            words = []
        elif words or (word not in PREFIXES and not re.match(r"^[A-Z_]+=", word)):
            words.append(word)
    if words:
        yield words


class Checker:
    def __init__(self, root, sextant):
        self.root = root
        self.sextant = sextant
        self.helps = {}
        presets = json.loads((root / "CMakePresets.json").read_text(encoding="utf-8"))
        self.presets = {preset["name"] for preset in presets["configurePresets"]
                        if not preset.get("hidden")}

    def help_of(self, *words):
        if words not in self.helps:
            run = subprocess.run([*words, "--help"], capture_output=True, text=True, check=False,
                                 cwd=self.root, timeout=60)
            self.helps[words] = run.stdout + run.stderr if run.returncode == 0 else None
        return self.helps[words]

    def problems(self, command):
        for words in pipeline(command):
            program, arguments = words[0], words[1:]
            if program == "sextant" or program.endswith("build/bin/sextant"):
                yield from self.sextant_problems(arguments)
            elif program == "kubectl" and "--" in arguments:
                yield from self.problems(shlex.join(arguments[arguments.index("--") + 1:]))
            elif "/" in program and not program.startswith(("/", "build/")):
                if not (self.root / program).is_file():
                    yield f"{program} is not in the tree"
                elif program in SCRIPTS_WITH_HELP:
                    yield from self.flag_problems((program,), arguments)
            elif program == "cmake" and arguments[:1] == ["--preset"]:
                if arguments[1] not in self.presets:
                    yield f"{arguments[1]} is no preset"

    def sextant_problems(self, arguments):
        names = []
        for word in arguments[:2]:
            if not re.fullmatch(r"[a-z][a-z-]*", word):
                break
            if self.help_of(self.sextant, *names, word) is None:
                break
            names.append(word)
        if not names and arguments and not arguments[0].startswith("-"):
            yield f"sextant has no command '{arguments[0]}'"
            return
        yield from self.flag_problems((self.sextant, *names), arguments)

    def flag_problems(self, words, arguments):
        text = self.help_of(*words)
        if text is None:
            yield f"{' '.join(words)} --help fails"
            return
        for argument in arguments:
            flag = argument.split("=")[0]
            if re.match(r"^--?[A-Za-z]", flag) and not re.search(
                    rf"(?<![\w-]){re.escape(flag)}(?![\w-])", text):
                yield f"{pathlib.Path(words[0]).name} {' '.join(words[1:])} has no flag {flag}"


def link_problems(page, text):
    for target in LINK.findall(text):
        if "://" not in target and not target.startswith("mailto:"):
            if not (page.parent / target).exists():
                yield f"the link to {target} leads nowhere"


def main():
    root = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else ".").resolve()
    checker = Checker(root, sys.argv[1])
    count = 0
    found = []
    for page in pages(root):
        text = page.read_text(encoding="utf-8")
        name = page.relative_to(root)
        found += [f"{name}: {problem}" for problem in link_problems(page, text)]
        for command in commands(text):
            count += 1
            found += [f"{name}: {command}: {problem}" for problem in checker.problems(command)]
    if count == 0:
        found.append("no command found in any page")
    print("\n".join(found) or f"{count} commands and every link hold")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
