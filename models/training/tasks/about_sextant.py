"""Questions about Sextant, each in several phrasings and with several openings.

What is held out is a phrasing with its opening: a model of this size does not know a question again
that is put in words it has never seen.
"""

import random

from question import Question
from tasks.facts import fact

TOPICS = [
    (["What is Sextant?", "Tell me about Sextant.", "What does Sextant do?", "Explain Sextant.",
      "Describe Sextant in a sentence.", "What kind of program is Sextant?", "what is sextant"],
     "Sextant is a program that runs the DeepSeek-V2 family of language models, spread over many "
     "machines."),
    (["Why is it called Sextant?", "Why the name Sextant?", "Where does the name Sextant come from?",
      "What does the name Sextant mean?", "How did Sextant get its name?",
      "Explain the name Sextant."],
     "A sextant finds its way by six, and so does every token: six experts are chosen for it."),
    (["What are the parts of Sextant?", "Which parts does Sextant have?", "What is Sextant made of?",
      "Which services does Sextant have?", "Name the parts of Sextant.",
      "What does a Sextant cluster consist of?"],
     "Sextant has three parts: the router, the attention workers and the expert workers."),
    (["What does the router do?", "What is the router?", "What is the router for?",
      "Explain the router.", "What is the job of the router?"],
     "The router takes requests, turns text into tokens, and sends them to the attention workers."),
    (["What does an attention worker do?", "What is an attention worker?",
      "What are attention workers for?", "Explain the attention workers.",
      "What is the job of an attention worker?"],
     "An attention worker computes attention, keeps the cache, and chooses experts for each token."),
    (["What does an expert worker do?", "What is an expert worker?", "What are expert workers for?",
      "Explain the expert workers.", "What is the job of an expert worker?"],
     "An expert worker holds some of the experts and computes them for the tokens that chose them."),
    (["What is an expert?", "What are experts?", "What is an expert in a model?",
      "Explain what an expert is.", "What do you mean by expert?"],
     "An expert is a small network in a layer; each token is sent to the few that suit it best."),
    (["How many experts are there?", "How many experts does a layer have?",
      "How many experts do you have?", "How many experts are in each layer?",
      "What is the number of experts?"],
     "There are 64 experts in each layer."),
    (["How many experts are chosen for a token?", "How many experts does a token use?",
      "How many experts does each token choose?", "How many experts work on a token?",
      "How many of the experts are used for one token?"],
     "Six of the 64 experts are chosen for each token."),
    (["What is a token?", "What are tokens?", "Explain what a token is.",
      "What do you mean by token?", "What is a token in a model?"],
     "A token is a piece of text, such as a word, part of a word, or a digit."),
    (["What happens when a machine fails?", "What if a worker dies?", "What if a machine dies?",
      "What does Sextant do when a worker fails?", "Does Sextant survive a dead machine?"],
     "When a worker dies, others take over its work and the answers go on."),
    (["Which language is Sextant written in?", "What is Sextant written in?",
      "Which programming language does Sextant use?", "In what language is Sextant made?",
      "Is Sextant written in C++?"],
     "Sextant is written in C++."),
    (["Which models does Sextant run?", "What models can Sextant run?",
      "Which models does Sextant support?", "What models work with Sextant?"],
     "Sextant runs DeepSeek-V2, DeepSeek-V2-Lite and models like them."),
    (["Does Sextant need a GPU?", "Can Sextant run without a GPU?", "Does Sextant run on a CPU?",
      "Do I need a graphics card for Sextant?"],
     "No, Sextant runs on an ordinary CPU; a GPU makes it faster."),
    (["How large are you?", "How big are you?", "How many parameters do you have?",
      "What is your size?", "How small are you?"],
     "I have about nine million parameters, so I know very little."),
    (["How were you trained?", "Who trained you?", "What were you trained on?", "Who made you?",
      "Where do you come from?", "Who created you?"],
     "I was trained from nothing on sentences that the Sextant project made itself."),
    (["What is a mixture of experts?", "What does MoE mean?",
      "What is MoE?", "Explain a mixture of experts."],
     "A mixture of experts is a layer of many small networks of which each token uses only a few."),
    (["Sextant是什么？", "什么是Sextant？", "请介绍Sextant。", "Sextant是做什么的？"],
     "Sextant是一个在多台机器上运行DeepSeek-V2模型的程序。"),
    (["Sextant有哪些部分？", "Sextant由什么组成？", "Sextant有什么部分？"],
     "Sextant有三个部分：路由器、注意力节点和专家节点。"),
]


OPENINGS = ["Please tell me: {}", "Tell me, {}", "I would like to know: {}", "A question: {}"]
CHINESE_OPENINGS = ["请问，{}", "请告诉我：{}", "我想知道，{}"]


def about_sextant(rng: random.Random) -> Question:
    said, reply = rng.choice(TOPICS)
    text = rng.choice(said)
    kind = rng.random()
    if kind < 0.5 and text[-1] in "?？":
        text = opened(text, rng)
    elif kind > 0.9 and text.isascii():
        text = text.lower().rstrip(".?")
    return fact("Sextant", text, reply)


def opened(text: str, rng: random.Random) -> str:
    if text.isascii():
        return rng.choice(OPENINGS).format(text[0].lower() + text[1:])
    return rng.choice(CHINESE_OPENINGS).format(text)
