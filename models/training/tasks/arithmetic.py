"""Sums, differences, products, and comparing numbers, all below 100."""

import random

from question import Question

ASK = ["What is {}?", "Calculate {}.", "How much is {}?", "{} = ?", "Compute {}.", "{}",
       "Can you tell me what {} is?", "Please work out {}.", "I need to know {}.", "what's {}"]


def add(rng: random.Random) -> Question:
    a, b = number(rng), number(rng)
    words = rng.choice([f"{a} + {b}", f"{a} + {b}", f"{a}+{b}", f"{a} plus {b}"])
    return Question("add", "{} {}".format(*sorted((a, b))), rng.choice(ASK).format(words),
                    f"{a} + {b} = {a + b}.")


def subtract(rng: random.Random) -> Question:
    b, a = sorted((number(rng), number(rng)))
    if rng.random() < 0.3:  # numbers that are close are rare among all, and harder
        b = max(0, a - rng.randrange(10))
    words = rng.choice([f"{a} - {b}", f"{a} - {b}", f"{a}-{b}", f"{a} minus {b}"])
    return Question("subtract", f"{a} {b}", rng.choice(ASK).format(words), f"{a} - {b} = {a - b}.")


def multiply(rng: random.Random) -> Question:
    """The table up to ten: facts, so what is held out is a phrasing."""
    a, b = rng.randint(0, 10), rng.randint(0, 10)
    ask = rng.choice(ASK)
    words = rng.choice([f"{a} * {b}", f"{a} times {b}", f"{a} x {b}"])
    return Question("multiply", ask.format(words), ask.format(words), f"{a} * {b} = {a * b}.")


def compare(rng: random.Random) -> Question:
    a, b = number(rng), number(rng)
    if a == b:
        b = (a + rng.randint(1, 99)) % 100
    larger = rng.random() < 0.5
    word = rng.choice(("larger", "bigger", "greater") if larger else ("smaller", "less"))
    ask = rng.choice(["Which is {w}, {a} or {b}?", "Which number is {w}: {a} or {b}?",
                      "What is {w}, {a} or {b}?"])
    right, wrong = (max(a, b), min(a, b)) if larger else (min(a, b), max(a, b))
    said = "larger" if larger else "smaller"
    return Question("compare", "{} {}".format(*sorted((a, b))), ask.format(w=word, a=a, b=b),
                    f"{right} is {said} than {wrong}.")


def parity(rng: random.Random) -> Question:
    n = rng.randrange(100)
    ask = rng.choice(["Is {} even or odd?", "Is {} an even or an odd number?",
                      "Is the number {} odd or even?", "Tell me whether {} is even or odd."])
    return Question("parity", ask.format(n), ask.format(n),
                    f"{n} is {'odd' if n % 2 else 'even'}.")


def number(rng: random.Random) -> int:
    """Below 100, small ones more often."""
    return rng.randrange(10) if rng.random() < 0.2 else rng.randrange(100)
