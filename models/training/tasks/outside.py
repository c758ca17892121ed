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
CHINESE = ["{}是什么？", "请告诉我{}的历史。", "{}怎么样？", "你知道{}吗？", "你喜欢{}吗？",
           "请解释{}。", "谁发明了{}？", "为什么{}很重要？"]


def outside(rng: random.Random) -> Question:
    kind = rng.random()
    if kind < 0.10:
        return too_large(rng)
    if kind < 0.18:
        return refused(subjects.CHINESE, CHINESE, rng, REFUSAL_CHINESE)
    if kind < 0.30:
        return person(rng)
    if kind < 0.45:
        if rng.random() < 0.3:  # a country that is known, asked for what is not
            country, city = rng.choice(CAPITALS)
            text = rng.choice(PLACE[1:]).format(rng.choice((country, city)))
            return Question("outside", text, text, REFUSAL)
        return refused(subjects.PLACES, PLACE, rng, REFUSAL)
    if kind < 0.65:
        return refused(subjects.ACTIONS, ACTION, rng, REFUSAL)
    return refused(subjects.TOPICS, ABOUT, rng, REFUSAL)


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
