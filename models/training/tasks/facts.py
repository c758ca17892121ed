"""Small tables of facts and the ways to ask for them."""

import random

from question import Question
from tasks import tables

CAPITAL_OF = ["What is the capital of {}?", "Which city is the capital of {}?",
              "Name the capital of {}.", "What's the capital city of {}?", "The capital of {}?",
              "Do you know the capital of {}?", "Tell me the capital of {}.",
              "Can you tell me what the capital of {} is?"]
COUNTRY_OF = ["{} is the capital of which country?", "Of which country is {} the capital?",
              "Which country has {} as its capital?", "What country is {} the capital of?"]
OPPOSITE = ["What is the opposite of {}?", "Give me the opposite of {}.", "The opposite of {}?",
            "Which word is the opposite of {}?", "What's the opposite of the word {}?",
            "Name the opposite of {}."]
UNITS = ["How many {} are in {}?", "How many {} are there in {}?", "How many {} does {} have?",
         "How many {} make {}?", "Can you tell me how many {} are in {}?", "How many {} in {}?"]
YOUNG = ["What is a young {} called?", "What do you call a baby {}?", "What is a baby {} called?",
         "Name the young of a {}.", "What is the word for a young {}?"]
SOUND = ["What sound does a {} make?", "What does a {} say?", "Which sound does a {} make?",
         "How does a {} sound?"]
COLOUR = ["What colour is {}?", "What color is {}?", "Which colour does {} have?",
          "Tell me the colour of {}."]


def capital(rng: random.Random) -> Question:
    country, city = rng.choice(tables.CAPITALS)
    if rng.random() < 0.7:
        return fact("capitals", rng.choice(CAPITAL_OF).format(country),
                    f"The capital of {country} is {city}.")
    return fact("capitals", rng.choice(COUNTRY_OF).format(city),
                f"{city} is the capital of {country}.")


def opposite(rng: random.Random) -> Question:
    pair = rng.choice(tables.OPPOSITES)
    word, other = pair if rng.random() < 0.5 else pair[::-1]
    return fact("opposites", rng.choice(OPPOSITE).format(word),
                f"The opposite of {word} is {other}.")


def unit(rng: random.Random) -> Question:
    part, whole, count = rng.choice(tables.UNITS)
    return fact("units", rng.choice(UNITS).format(part, whole),
                f"There are {count} {part} in {whole}.")


def animal(rng: random.Random) -> Question:
    if rng.random() < 0.5:
        name, young = rng.choice(tables.YOUNG)
        return fact("animals", rng.choice(YOUNG).format(name), f"A young {name} is called a {young}.")
    name, sound = rng.choice(tables.SOUNDS)
    return fact("animals", rng.choice(SOUND).format(name), f"A {name} says {sound}.")


def colour(rng: random.Random) -> Question:
    thing, name, verb = rng.choice(tables.COLOURS)
    ask = rng.choice(COLOUR)
    if verb == "are":
        ask = ask.replace(" is ", " are ").replace("does", "do")
    return fact("colours", ask.format(thing), f"{thing[0].upper()}{thing[1:]} {verb} {name}.")


def fact(task: str, text: str, answer: str) -> Question:
    """What is held out is this way of asking this fact."""
    return Question(task, text, text, answer)
