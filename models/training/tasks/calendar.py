"""Months and weekdays."""

import random

from question import Question
from tasks.facts import fact
from tasks.tables import MONTH_DAYS, MONTHS, WEEKDAYS


def month(rng: random.Random) -> Question:
    at = rng.randrange(12)
    kind = rng.randrange(5)
    if kind < 2:
        ask = rng.choice(["Which month comes after {}?", "What month follows {}?",
                          "What is the month after {}?", "Which month is next after {}?",
                          "What comes after the month of {}?"])
        return fact("months", ask.format(MONTHS[at]),
                    f"{MONTHS[(at + 1) % 12]} comes after {MONTHS[at]}.")
    if kind == 2:
        ask = rng.choice(["Which month comes before {}?", "What is the month before {}?",
                          "What month is right before {}?", "Which month precedes {}?"])
        return fact("months", ask.format(MONTHS[at]),
                    f"{MONTHS[at - 1]} comes before {MONTHS[at]}.")
    if kind == 3:
        ask = rng.choice(["How many days does {} have?", "How many days are in {}?",
                          "How many days are there in {}?", "How long is {} in days?"])
        return fact("months", ask.format(MONTHS[at]), f"{MONTHS[at]} has {MONTH_DAYS[at]} days.")
    ask = rng.choice(["Which month is number {} of the year?", "What is month number {}?",
                      "Name month {} of the year.", "Which month has the number {}?"])
    return fact("months", ask.format(at + 1), f"Month {at + 1} is {MONTHS[at]}.")


def weekday(rng: random.Random) -> Question:
    at = rng.randrange(7)
    if rng.random() < 0.6:
        ask = rng.choice(["Which day comes after {}?", "What day follows {}?",
                          "What is the day after {}?", "Which day of the week is after {}?",
                          "If today is {}, what day is tomorrow?", "Today is {}. What is tomorrow?"])
        return fact("weekdays", ask.format(WEEKDAYS[at]),
                    f"{WEEKDAYS[(at + 1) % 7]} comes after {WEEKDAYS[at]}.")
    ask = rng.choice(["Which day comes before {}?", "What is the day before {}?",
                      "What day is right before {}?", "If today is {}, what day was yesterday?",
                      "Today is {}. What was yesterday?"])
    return fact("weekdays", ask.format(WEEKDAYS[at]),
                f"{WEEKDAYS[at - 1]} comes before {WEEKDAYS[at]}.")
