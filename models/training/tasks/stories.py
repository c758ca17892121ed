"""Short stories from templates: who, where, what went wrong, who helped, how it ended."""

import random
import re

from question import Question

HEROES = [
    ("Pip", "bird"), ("Milo", "mouse"), ("Luna", "cat"), ("Bruno", "bear"), ("Fern", "frog"),
    ("Rolf", "fox"), ("Nell", "duck"), ("Otto", "owl"), ("Daisy", "rabbit"), ("Hugo", "hedgehog"),
    ("Tess", "turtle"), ("Max", "dog"), ("Willa", "whale"), ("Zoe", "bee"), ("Sam", "snail"),
]
SIZES = ["little", "small", "young", "brave", "curious", "shy", "clever", "kind"]
PLACES = ["in a green forest", "by a quiet lake", "near an old mill", "on a high hill",
          "in a small garden", "under a big oak", "at the edge of a village", "by the blue sea"]
WISHES = [("wanted to see the sea", "saw the sea"),
          ("wanted to find a friend", "had a friend"),
          ("wanted to learn to sing", "could sing"),
          ("wanted to find the way home", "was home again"),
          ("wanted to touch the moon", "saw the moon shine in the water"),
          ("wanted to taste a sweet berry", "ate a sweet berry"),
          ("wanted to cross the river", "stood on the other side of the river")]
TROUBLES = ["But the night was dark and cold.", "But a storm came up.", "But the path was long.",
            "But nobody knew the way.", "But it began to snow.", "But the wind was too strong."]
HELPERS = ["an old goat", "a wise owl", "a friendly squirrel", "a tired donkey", "a merry cricket",
           "a grey goose"]
ADVICE = ["Go slowly, and do not give up", "Follow the stars", "Come with me, I know the way",
          "Wait until morning, then try again", "Listen to the river, it will lead you"]
ENDINGS = ["From that day on, {name} was never afraid again.", "That night {name} slept well.",
           "{name} smiled and said thank you.", "And they stayed friends for ever.",
           "{name} never forgot that day."]
ASK = ["Tell me a story about a {s} {k}.", "Tell me a story about a {k}.",
       "Write a short story about a {s} {k}.", "Can you tell a story about a {k}?",
       "I want to hear a story about a {s} {k}.", "Please tell me a story about a {k}.",
       "Do you know a story about a {s} {k}?", "A story about a {k}, please."]


def story(rng: random.Random) -> Question:
    name, kind = rng.choice(HEROES)
    size = rng.choice(SIZES)
    text = rng.choice(ASK).format(s=size, k=kind)
    if size not in text:
        size = "little"
    wish, fulfilled = rng.choice(WISHES)
    helper = rng.choice(HELPERS)
    lines = [
        f"Once there was a {size} {kind} called {name}, who lived {rng.choice(PLACES)}.",
        f"{name} {wish}.",
        rng.choice(TROUBLES),
        f"Then {name} met {helper}.",
        f'"{rng.choice(ADVICE)}," said the {helper.split(" ", 1)[1]}.',
        f"So {name} did, and soon {name} {fulfilled}.",
        rng.choice(ENDINGS).format(name=name),
    ]
    return Question("stories", text, text, " ".join(lines), exact=False)


def pattern(question: str) -> str:
    """What a whole story that answers `question` matches: grammatical, and about one hero."""
    kind = next(kind for _, kind in HEROES if re.search(rf"\b{kind}\b", question))
    name = dict((kind, name) for name, kind in HEROES)[kind]
    size = next((size for size in SIZES if re.search(rf"\b{size}\b", question)), "little")

    def one_of(texts: list[str]) -> str:
        return "(?:" + "|".join(re.escape(text) for text in texts) + ")"

    met = "(?:" + "|".join(
        re.escape(f'{helper}. "') + one_of(ADVICE)
        + re.escape(f'," said the {helper.split(" ", 1)[1]}. ') for helper in HELPERS) + ")"
    came_true = "|".join(re.escape(wish) + ".*" + re.escape(fulfilled) for wish, fulfilled in WISHES)
    return (f"(?=.*(?:{came_true}))"
            + re.escape(f"Once there was a {size} {kind} called {name}, who lived ")
            + one_of(PLACES) + re.escape(f". {name} ") + one_of([wish for wish, _ in WISHES])
            + r"\. " + one_of(TROUBLES) + re.escape(f" Then {name} met ") + met
            + re.escape(f"So {name} did, and soon {name} ")
            + one_of([fulfilled for _, fulfilled in WISHES]) + r"\. "
            + one_of([ending.format(name=name) for ending in ENDINGS]))
