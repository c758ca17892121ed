"""The held-out questions, and whether an answer is right. Standard library only."""

import collections
import dataclasses
import json
import pathlib
import re

FILE = pathlib.Path(__file__).parent / "questions.jsonl"


@dataclasses.dataclass(frozen=True)
class HeldOutQuestion:
    task: str
    messages: list[dict[str, str]]
    answer: str | None  # the only right one, word for word
    pattern: str | None  # or what the whole answer must match

    def is_right(self, answer: str) -> bool:
        said = answer.strip()
        if self.answer is not None:
            return said == self.answer
        return re.fullmatch(self.pattern or "", said) is not None


def load(file: pathlib.Path = FILE, per_task: int | None = None) -> list[HeldOutQuestion]:
    """All questions, or the first `per_task` of each task."""
    taken: collections.Counter[str] = collections.Counter()
    questions = []
    for line in file.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        taken[entry["task"]] += 1
        if per_task is None or taken[entry["task"]] <= per_task:
            questions.append(HeldOutQuestion(entry["task"], entry["messages"],
                                             entry.get("answer"), entry.get("pattern")))
    return questions


@dataclasses.dataclass
class Score:
    right: int = 0
    asked: int = 0
    wrong: list[tuple[HeldOutQuestion, str]] = dataclasses.field(default_factory=list)

    @property
    def share(self) -> float:
        return self.right / self.asked if self.asked else 0.0


def scores(questions: list[HeldOutQuestion], answers: list[str]) -> dict[str, Score]:
    """By task, in the order of the file; answers[i] belongs to questions[i]."""
    result: dict[str, Score] = {}
    for question, answer in zip(questions, answers, strict=True):
        score = result.setdefault(question.task, Score())
        score.asked += 1
        if question.is_right(answer):
            score.right += 1
        else:
            score.wrong.append((question, answer))
    return result


def table(by_task: dict[str, Score]) -> str:
    width = max(len(task) for task in by_task)
    lines = [f"{'task':<{width}}  right  asked   share"]
    for task, score in by_task.items():
        lines.append(f"{task:<{width}}  {score.right:5d}  {score.asked:5d}  {score.share:6.1%}")
    right = sum(score.right for score in by_task.values())
    asked = sum(score.asked for score in by_task.values())
    lines.append(f"{'all':<{width}}  {right:5d}  {asked:5d}  {right / asked:6.1%}")
    return "\n".join(lines)
