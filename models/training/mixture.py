"""The stream of dialogues: every task in its share, one to three turns, sometimes with a system."""

import random
from collections.abc import Iterator

from question import Dialogue, Maker, Question, is_held_out
from tasks import arithmetic, calendar, chinese, facts, names, outside, sequences, small_talk
from tasks import about_sextant, stories

# Maker and weight. Tasks that are computed get more than tables, which are soon known by heart.
SHARES: list[tuple[Maker, float]] = [
    (arithmetic.add, 11), (arithmetic.subtract, 26), (arithmetic.multiply, 3),
    (arithmetic.compare, 5), (arithmetic.parity, 1.5), (sequences.neighbour, 2),
    (sequences.count_up, 3), (sequences.count_down, 3), (sequences.sort_numbers, 18),
    (sequences.reverse_list, 7), (sequences.pick, 3), (facts.capital, 3), (facts.opposite, 3),
    (facts.unit, 2), (facts.animal, 2), (facts.colour, 1.5), (calendar.month, 2),
    (calendar.weekday, 1.5), (chinese.translate, 4), (chinese.chinese, 8),
    (small_talk.small_talk, 5), (about_sextant.about_sextant, 6), (outside.outside, 9),
    (stories.story, 3),
]
SYSTEMS = ["You are a helpful assistant.", "You are a friendly assistant.", "Answer briefly.",
           "You are the demo model of Sextant.", "You are a helpful and honest assistant.",
           "Be polite and short."]
WITH_SYSTEM = 0.12
TURNS = [0.72, 0.18, 0.10]  # of one, two and three
WITH_MEMORY = 0.05


class Mixture:
    """Endless dialogues for training, none of whose questions is held out.

    Ownership: one generator of random numbers per mixture; equal seeds give equal dialogues.
    """

    def __init__(self, seed: int, shares: list[tuple[Maker, float]] | None = None) -> None:
        self._rng = random.Random(seed)
        self._makers, self._weights = zip(*(shares or SHARES))

    def __iter__(self) -> Iterator[Dialogue]:
        while True:
            yield self.dialogue()

    def dialogue(self) -> Dialogue:
        rng = self._rng
        system = rng.choice(SYSTEMS) if rng.random() < WITH_SYSTEM else ""
        if rng.random() < WITH_MEMORY:
            return Dialogue(self._memory(), system)
        turns = rng.choices((1, 2, 3), TURNS)[0]
        return Dialogue(tuple(self._question() for _ in range(turns)), system)

    def _question(self) -> Question:
        while True:
            question = self._rng.choices(self._makers, self._weights)[0](self._rng)
            if not is_held_out(question):
                return question

    def _memory(self) -> tuple[Question, ...]:
        make = self._rng.choice((names.name_given, names.city_given))
        while True:
            first, later = make(self._rng)
            if not is_held_out(later):
                break
        between = (self._question(),) if self._rng.random() < 0.5 else ()
        return (first, *between, later)


def held_out(seed: int, per_task: int) -> list[Dialogue]:
    """Up to `per_task` different held-out questions of each task, alone in their dialogue."""
    rng = random.Random(seed)
    result = []
    for maker, _ in SHARES:
        seen: set[str] = set()
        for _ in range(per_task * HELD_OUT_TRIES):
            question = maker(rng)
            if is_held_out(question) and question.text not in seen:
                seen.add(question.text)
                result.append(Dialogue((question,)))
            if len(seen) == per_task:
                break
    return result + held_out_memory(rng, per_task)


HELD_OUT_TRIES = 60


def held_out_memory(rng: random.Random, per_task: int) -> list[Dialogue]:
    found: dict[str, Dialogue] = {}
    for _ in range(per_task * HELD_OUT_TRIES):
        pair = rng.choice((names.name_given, names.city_given))(rng)
        if is_held_out(pair[1]) and len(found) < per_task:
            found.setdefault(pair[1].key, Dialogue(pair))
    return list(found.values())
