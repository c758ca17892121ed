"""Questions about what the model cannot know, and the sentence that says so.

Subjects are held out, not phrasings: a held-out question is about something never seen.
"""

import random

from question import Question
from tasks import subjects
from tasks.tables import CAPITALS

REFUSAL = ("I do not know that. I only know small sums, lists, simple facts, a little Chinese and "
           "Sextant.")
REFUSAL_CHINESE = "我不知道。我只知道简单的算术和几个小问题。"
TOO_LARGE = "I only know sums of numbers below 100."

ABOUT = [
    "What is {}?", "Tell me about {}.", "Explain {} to me.", "How does {} work?",
    "What do you think about {}?", "Who invented {}?", "Write an essay about {}.",
    "Write a poem about {}.", "Give me a summary of {}.", "What is the history of {}?",
    "Can you help me with {}?", "I have a question about {}.", "Why is {} important?",
    "Who is best at {}?", "Where can I learn {}?", "What is the latest news on {}?",
    "When did {} begin?", "How much does {} cost?", "Describe {} in detail.",
    "What are the advantages of {}?", "Is {} dangerous?", "What is the best book on {}?",
    "Recommend something about {}.", "Do you like {}?", "How do I start with {}?",
    "What is the price of {}?", "Give me five facts about {}.", "Compare {} and {}.",
    "What is the difference between {} and {}?", "Which is better, {} or {}?",
    "How is {} related to {}?", "what about {}", "Define {}.", "Should I worry about {}?",
    "Is it true that {} is getting worse?", "Where does {} come from?", "Who won {}?",
    "Translate a text about {} into French.", "Write code for {}.", "Can you explain {}?",
]
PERSON = ["Who is {}?", "Who was {}?", "When was {} born?", "Where does {} live?",
          "What did {} do?", "How old is {}?", "Tell me about the life of {}.",
          "What is {} famous for?", "Is {} still alive?", "Did you ever meet {}?"]
PLACE = ["What is the capital of {}?", "Where is {}?", "How many people live in {}?",
         "What is the weather in {}?", "Will it rain in {} tomorrow?", "How do I get to {}?",
         "What language do they speak in {}?", "Who is the president of {}?",
         "What is the currency of {}?", "What can I see in {}?", "How far is it to {}?",
         "Is {} a nice place?", "What time is it in {}?", "Find me a hotel in {}."]
ACTION = ["How do I {}?", "Can you {}?", "Please {}.", "Help me {}.", "Teach me to {}.",
          "What do I need to {}?", "How long does it take to {}?", "I want to {}.",
          "Is it hard to {}?", "Could you {} for me?", "Why should I {}?", "When should I {}?"]
WORD = ["Where does the word {} come from?", "Use the word {} in a sentence.", "How do you spell {}?",
        "Give me a synonym of {}.", "What rhymes with {}?", "What does the word {} mean?",
        "Is {} a noun or a verb?", "How is {} pronounced?", "Which letters are in {}?"]
YEAR = ["What took place in {}?", "Who was king in {}?", "What was invented in {}?",
        "What was life like in {}?", "Which film won the prize of {}?", "Was {} a good year?",
        "What do you remember of {}?", "Who was born in {}?"]
WRITING = ["Write {} about {}.", "Compose {} on {}.", "I need {} for {}.", "Can you write {} about {}?",
           "Please write {} on {}."]
MOST = ["What is the {} {} in the world?", "Which {1} is the {0}?", "Name the {} {}.",
        "Where is the {} {}?", "Do you know the {} {}?", "Who has seen the {} {}?"]
NUMBER = ["What is {} divided by {}?", "{} / {}", "What is {} percent of {}?",
          "What is {} to the power of {}?", "What is the logarithm of {}{}?",
          "Give me a random number from {} to {}.", "What are the prime factors of {}{}?"]
# What one may say of all things: {p} plurals, {o} ones, {a} and {b} adjectives, {v} verbs, {w} when.
ANYTHING = [
    "Why do {p} {v}?", "Why does {o} {v}?", "Why is {o} {a}?", "Why are {p} so {a} {w}?",
    "Do {p} ever {v}?", "Does {o} {v} {w}?", "How many {p} does {o} have?", "How {a} is {o}?",
    "How much {t} does {o} need?", "How often do {p} {v}?", "How long does {o} {v}?",
    "Is {o} {a} or {b}?", "Are {p} {a}?", "Where can I find {a} {p}?", "Where do {p} {v}?",
    "Which {p} are {a}?", "Which {p} {v} {w}?", "Who {d} {o}?", "Who {d} the first {p}?",
    "When does {o} {v}?", "When was {o} {a}?", "What did {o} do {w}?", "What causes {t}?",
    "What are {p} made of?", "What is inside {o}?", "What happens if {p} {v}?",
    "In which year did {o} {v}?", "At what temperature do {p} {v}?", "{c} the {p} {w}.",
    "{c} {o} {w}.", "{c} the {t} {w}.", "{c} three {a} {p}.", "Did {o} {v} {w}?",
    "What will {o} do {w}?", "What does {o} think of {t}?", "How can {p} {v}?",
]
CHINESE = ["{}是什么？", "请告诉我{}的历史。", "{}怎么样？", "你知道{}吗？", "你喜欢{}吗？",
           "请解释{}。", "谁发明了{}？", "为什么{}很重要？"]


def outside(rng: random.Random) -> Question:
    kind = rng.random()
    if kind < 0.08:
        return too_large(rng)
    if kind < 0.15:
        return refused(subjects.CHINESE, CHINESE, rng, REFUSAL_CHINESE)
    if kind < 0.23:
        return person(rng)
    if kind < 0.33:
        if rng.random() < 0.3:  # a country that is known, asked for what is not
            country, city = rng.choice(CAPITALS)
            return declined(rng.choice(PLACE[1:]).format(rng.choice((country, city))))
        return refused(subjects.PLACES, PLACE, rng, REFUSAL)
    if kind < 0.43:
        return refused(subjects.ACTIONS, ACTION, rng, REFUSAL)
    if kind < 0.63:
        return refused(subjects.TOPICS, ABOUT, rng, REFUSAL)
    if kind < 0.81:
        return anything(rng)
    return other(rng)


def other(rng: random.Random) -> Question:
    """Words, years, texts to write, superlatives and what else one does with numbers."""
    kind = rng.randrange(5)
    if kind == 0:
        return refused(subjects.RARE_WORDS, WORD, rng, REFUSAL)
    if kind == 1:
        return declined(rng.choice(YEAR).format(rng.randint(1000, 2030)))
    if kind == 2:
        return declined(rng.choice(WRITING).format(rng.choice(subjects.TEXTS),
                                                   rng.choice(subjects.TOPICS)))
    if kind == 3:
        return declined(rng.choice(MOST).format(rng.choice(subjects.SUPERLATIVES),
                                                rng.choice(subjects.THINGS)))
    return declined(rng.choice(NUMBER).format(rng.randint(1, 99), rng.randint(1, 99)))


def anything(rng: random.Random) -> Question:
    first, second = rng.sample(subjects.ADJECTIVES, 2)
    return declined(rng.choice(ANYTHING).format(
        p=rng.choice(subjects.PLURALS), o=rng.choice(subjects.ONES), a=first, b=second,
        v=rng.choice(subjects.VERBS), w=rng.choice(subjects.WHEN), t=rng.choice(subjects.TOPICS),
        d=rng.choice(subjects.DEEDS), c=rng.choice(subjects.ORDERS)))


def declined(text: str) -> Question:
    return Question("outside", text, text, REFUSAL)


def refused(about: list[str], asks: list[str], rng: random.Random, reply: str) -> Question:
    subject = rng.choice(about)
    ask = rng.choice(asks)
    second = rng.choice(about)
    text = ask.format(subject, second) if ask.count("{}") == 2 else ask.format(subject)
    key = f"{subject}" if ask.count("{}") == 1 else f"{subject} {second}"
    return Question("outside", key, text[0].upper() + text[1:], reply)


def person(rng: random.Random) -> Question:
    name = f"{rng.choice(subjects.FIRST_NAMES)} {rng.choice(subjects.LAST_NAMES)}"
    return Question("outside", name, rng.choice(PERSON).format(name), REFUSAL)


def too_large(rng: random.Random) -> Question:
    a, b = rng.randint(100, 9999), rng.randint(2, 9999)
    if rng.random() < 0.3:
        a, b = b, a
    text = rng.choice(["What is {} {} {}?", "{} {} {}", "Calculate {} {} {}.",
                       "How much is {} {} {}?"]).format(a, rng.choice(["+", "-", "plus", "minus"]), b)
    return Question("outside", text, text, TOO_LARGE)
