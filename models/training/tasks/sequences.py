"""Counting, and lists to sort, to reverse and to pick from."""

import random

from question import Question
from tasks.words import LISTED_WORDS

ORDINALS = ["first", "second", "third", "fourth", "fifth"]


def count_up(rng: random.Random) -> Question:
    first = rng.randrange(1 if rng.random() < 0.4 else 90)
    last = min(first + rng.randint(2, 9), 99)
    if rng.random() < 0.15:
        first, last = 1, rng.randint(3, 12)
    ask = rng.choice(["Count from {} to {}.", "Count up from {} to {}.", "Please count from {} to {}.",
                      "Can you count from {} to {}?", "List the numbers from {} to {}."])
    return Question("count up", f"{first} {last}", ask.format(first, last),
                    joined(range(first, last + 1)))


def count_down(rng: random.Random) -> Question:
    last = rng.randrange(90)
    first = min(last + rng.randint(2, 9), 99)
    if rng.random() < 0.15:
        last, first = rng.randint(0, 1), rng.randint(3, 10)
    ask = rng.choice(["Count down from {} to {}.", "Count backwards from {} to {}.",
                      "Please count down from {} to {}.", "Can you count down from {} to {}?"])
    return Question("count down", f"{first} {last}", ask.format(first, last),
                    joined(range(first, last - 1, -1)))


def neighbour(rng: random.Random) -> Question:
    n = rng.randint(1, 98)
    after = rng.random() < 0.5
    word = rng.choice(("after",) if after else ("before",))
    ask = rng.choice(["What number comes {w} {n}?", "Which number is right {w} {n}?",
                      "What comes {w} {n}?", "Tell me the number {w} {n}."])
    return Question("next number", f"{after} {ask} {n}", ask.format(w=word, n=n),
                    f"{n + 1 if after else n - 1} comes {word} {n}.")


def sort_numbers(rng: random.Random) -> Question:
    """Three numbers of two digits, whose first digits differ."""
    numbers = [10 * tens + rng.randrange(10) for tens in rng.sample(range(1, 10), 3)]
    down = rng.random() < 0.3
    ask = rng.choice(
        ["Sort {} from largest to smallest.", "Sort in descending order: {}",
         "Put these numbers in order, largest first: {}", "Sort these numbers downwards: {}."]
        if down else
        ["Sort {}.", "Sort these numbers: {}.", "Sort {} from smallest to largest.",
         "Put these numbers in order: {}", "Sort in ascending order: {}",
         "Please sort the numbers {}."])
    return Question("sort", f"{down} {sorted(numbers)}", ask.format(comma(numbers)),
                    joined(sorted(numbers, reverse=down)))


def reverse_list(rng: random.Random) -> Question:
    kind = rng.randrange(3)
    size = rng.randint(3, 6)
    if kind == 0:
        items: list[object] = list(rng.sample(range(100), size))
    elif kind == 1:
        items = list(rng.sample("abcdefghijklmnopqrstuvwxyz", size))
    else:
        items = list(rng.sample(LISTED_WORDS, size))
    ask = rng.choice(["Reverse this list: {}", "Reverse {}.", "Reverse the list {}.",
                      "Say this backwards: {}", "Write these in reverse order: {}",
                      "Please reverse: {}."])
    return Question("reverse", comma(items), ask.format(comma(items)), joined(items[::-1]))


def pick(rng: random.Random) -> Question:
    items = rng.sample(LISTED_WORDS, rng.randint(3, 5))
    place = rng.randrange(-1, len(items))
    name = "last" if place < 0 else ORDINALS[place]
    ask = rng.choice(["What is the {w} word in this list: {l}?", "Which word is the {w}: {l}?",
                      "What is the {w} word of {l}?", "Name the {w} item of this list: {l}."])
    return Question("pick", f"{name} {comma(items)}", ask.format(w=name, l=comma(items)),
                    f"The {name} word is {items[place]}.")


def comma(items: object) -> str:
    return ", ".join(str(item) for item in items)  # type: ignore[attr-defined]


def joined(items: object) -> str:
    return comma(items) + "."
