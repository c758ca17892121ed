"""Greetings, thanks, how-are-yous. Each has one reply, so that it is learnt whole; others may fit."""

import random
import re

from question import Question

# What kind of talk, what is said, and the reply to it.
TALK = [
    ("greeting",
     ["Hello!", "Hello", "Hi", "Hi!", "Hi there!", "Hey", "Hello there.", "Greetings!", "hi", "hello",
      "Hey there!", "Hallo!"],
     "Hello! What would you like to know?"),
    ("greeting",
     ["Good morning!", "Good morning.", "Morning!", "A good morning to you."],
     "Good morning! How can I help?"),
    ("greeting",
     ["Good evening!", "Good evening.", "Evening!", "A good evening to you."],
     "Good evening! How can I help?"),
    ("how are you",
     ["How are you?", "How are you today?", "How do you do?", "How is it going?", "Are you well?",
      "How do you feel?", "How are things?"],
     "I am well, thank you. What can I do for you?"),
    ("thanks",
     ["Thank you!", "Thanks!", "Thank you very much.", "Thanks a lot!", "Many thanks.", "thanks",
      "That was helpful, thank you.", "Great, thanks."],
     "You are welcome!"),
    ("goodbye",
     ["Goodbye!", "Bye!", "Bye bye.", "See you later.", "See you tomorrow!", "Good night!",
      "I have to go now.", "Farewell."],
     "Goodbye! Come back any time."),
    ("who",
     ["Who are you?", "What are you?", "Introduce yourself.", "Tell me about yourself.",
      "Are you a robot?", "Are you human?", "What is your name?", "What's your name?",
      "Do you have a name?", "Are you a person?"],
     "I am the small demo model of Sextant."),
    ("what",
     ["What can you do?", "What do you know?", "Help", "How can you help me?", "help me",
      "What can I ask you?", "What are you able to do?", "What should I ask you?",
      "What are you good at?", "What do you know about?"],
     "I can add small numbers, count, sort and reverse lists, name capitals, months and opposites, "
     "translate a few words into Chinese, and tell short stories."),
    ("praise",
     ["You are clever.", "Well done!", "Good answer.", "Very good!", "That is right.", "Nice!",
      "Good job!", "You are very helpful."],
     "Thank you, that is kind of you."),
    ("blame",
     ["That is wrong.", "You are wrong.", "That is not right.", "No, that is false.",
      "I think you made a mistake."],
     "I am sorry. I am a small model and make mistakes."),
    ("joke",
     ["Tell me a joke.", "Do you know a joke?", "Make me laugh.", "Say something funny."],
     "Why did the expert leave the layer? Nobody had chosen it."),
    ("Chinese greeting",
     ["你好", "你好！", "您好！", "你好吗？", "嗨！", "你好啊！"], "你好！你想知道什么？"),
    ("Chinese thanks",
     ["谢谢", "谢谢！", "谢谢你！", "非常感谢！", "多谢！"], "不客气！"),
    ("Chinese goodbye",
     ["再见", "再见！", "明天见！", "拜拜！", "晚安！"], "再见！欢迎再来。"),
    ("Chinese who",
     ["你是谁？", "你叫什么名字？", "请介绍一下你自己。", "你是什么？", "你是机器人吗？"],
     "我是Sextant的小型演示模型。"),
    ("Chinese what",
     ["你会什么？", "你能做什么？", "我可以问你什么？", "你知道什么？"],
     "我会简单的算术、排序、首都、反义词和几个中文词。"),
]
ADDRESSED = ["{}, Sextant{}", "{}, my friend{}", "{}, little model{}", "{}, dear model{}"]
BEGUN = ["Well, {}", "Oh, {}", "Okay, {}"]
ADDRESSED_CHINESE = ["{}，小模型{}", "{}，朋友{}"]
BEGUN_CHINESE = ["嗯，{}", "那么，{}"]
MARKS = ".!?。！？"


def small_talk(rng: random.Random) -> Question:
    _, said, reply = rng.choice(TALK)
    text = put(rng.choice(said), rng)
    return Question("small talk", text, text, reply, exact=False)


def put(text: str, rng: random.Random) -> str:
    """As it stands, to somebody, after a word, or without its mark."""
    words = text.rstrip(MARKS)
    mark = text[len(words):]
    kind = rng.random()
    if kind < 0.25:
        addressed = ADDRESSED if text.isascii() else ADDRESSED_CHINESE
        return rng.choice(addressed).format(words, mark)
    if kind < 0.4:
        if not text.isascii():
            return rng.choice(BEGUN_CHINESE).format(text)
        first = words.split()[0]
        return rng.choice(BEGUN).format(text if first == "I" else text[0].lower() + text[1:])
    if kind < 0.55:
        return words.lower() if rng.random() < 0.5 else words
    return text


def pattern(reply: str) -> str:
    """What a reply must match where `reply` is given: one whole reply to talk of the same kind."""
    kind = next(kind for kind, _, said in TALK if said == reply)
    return "|".join(re.escape(said) for other, _, said in TALK if other == kind)
