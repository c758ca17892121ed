"""Asks `sextant generate --requests`. Standard library only."""

import json
import subprocess

from questions import HeldOutQuestion


class SextantProgram:
    """`arguments` are more of those of `sextant generate`, such as --dtype fp32."""

    def __init__(self, program: str, model: str, arguments: list[str] | None = None) -> None:
        self._command = [program, "generate", "--model", model, "--requests", "-",
                         "--temperature", "0", *(arguments or [])]

    def answers(self, questions: list[HeldOutQuestion], max_tokens: int) -> list[str]:
        requests = [{"messages": q.messages, "max_tokens": max_tokens} for q in questions]
        return [answer["text"] for answer in self.run(requests)]

    def run(self, requests: list[dict]) -> list[dict]:
        """What the program says to each request, in order."""
        text = "".join(json.dumps(request) + "\n" for request in requests)
        run = subprocess.run(self._command, input=text, capture_output=True, text=True,
                             encoding="utf-8", check=False)
        if run.returncode != 0:
            raise RuntimeError(f"{' '.join(self._command)} failed:\n{run.stderr}")
        answers = [json.loads(line) for line in run.stdout.splitlines()]
        if len(answers) != len(requests):
            raise RuntimeError(f"{len(requests)} requests got {len(answers)} answers")
        return answers
