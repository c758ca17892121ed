"""Questions, dialogues, and which of them are held out."""

import dataclasses
import hashlib
import random
from collections.abc import Callable

HELD_OUT_ONE_IN = 12


@dataclasses.dataclass(frozen=True)
class Question:
    """One turn. `key` is what makes it new: questions of equal key are both held out or neither."""

    task: str
    key: str
    text: str
    answer: str
    exact: bool = True  # there is one right answer


@dataclasses.dataclass(frozen=True)
class Dialogue:
    turns: tuple[Question, ...]
    system: str = ""

    def messages(self) -> list[dict[str, str]]:
        """In the form of the chat API, the last answer included."""
        result = [{"role": "system", "content": self.system}] if self.system else []
        for turn in self.turns:
            result.append({"role": "user", "content": turn.text})
            result.append({"role": "assistant", "content": turn.answer})
        return result


Maker = Callable[[random.Random], Question]


def is_held_out(question: Question) -> bool:
    """By a hash of task and key, so that it is the same in every run and on every machine."""
    digest = hashlib.sha256(f"{question.task}\n{question.key}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % HELD_OUT_ONE_IN == 0
