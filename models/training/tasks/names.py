"""The one task that needs the turns before: what the user said about themselves."""

import random

from question import Question

NAMES = """
Anna Ben Carla David Emma Felix Greta Hans Ida Jonas Karin Lars Mia Noah Olivia Paula Quinn Rita
Simon Tina Udo Vera Walter Xenia Yara Zack Lucy Mark Nora Peter
""".split()
CITIES = """
Paris Berlin Rome Madrid Lisbon Vienna Athens Warsaw Oslo Dublin London Cairo Tokyo Hanoi Lima
""".split()
GIVE_NAME = ["My name is {}.", "I am {}.", "Hello, I am {}.", "Hi, my name is {}.", "Call me {}."]
ASK_NAME = ["What is my name?", "Who am I?", "Do you remember my name?", "What am I called?"]
GIVE_CITY = ["I live in {}.", "I come from {}.", "My home is {}.", "I am from {}."]
ASK_CITY = ["Where do I live?", "Where am I from?", "Which city do I live in?"]


def name_given(rng: random.Random) -> tuple[Question, Question]:
    """What the user says, and what they may ask later."""
    name = rng.choice(NAMES)
    first, ask = rng.choice(GIVE_NAME).format(name), rng.choice(ASK_NAME)
    key = f"{first} {ask}"
    return (Question("memory", key, first, f"Nice to meet you, {name}!"),
            Question("memory", key, ask, f"Your name is {name}."))


def city_given(rng: random.Random) -> tuple[Question, Question]:
    city = rng.choice(CITIES)
    first, ask = rng.choice(GIVE_CITY).format(city), rng.choice(ASK_CITY)
    key = f"{first} {ask}"
    return (Question("memory", key, first, f"{city} is a fine place to live."),
            Question("memory", key, ask, f"You live in {city}."))
