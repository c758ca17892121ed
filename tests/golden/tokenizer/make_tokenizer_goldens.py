#!/usr/bin/env python3
"""Makes the tokenizer of tests/golden/tokenizer, and what `tokenizers` and Jinja2 do with it.

usage: make_tokenizer_goldens.py OUT [PUBLISHED]

OUT gets tokenizer.json, regex_pre_tokenizer.json, tokenizer_config.json, cases.json, random.json
and templates.json; ../README.md says what is in each. PUBLISHED is a folder with the published
tokenizer.json; with it, random.json also holds what that one gives (else what it held before).

Needs tokenizers 0.23.3 and Jinja2 3.1.6; nothing else in Sextant does.
"""
import json
import os
import sys

from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Regex, Tokenizer, decoders, models, normalizers
from tokenizers import pre_tokenizers as pre
from tokenizers import processors, trainers

from golden_texts import CHATS, TEMPLATES, TEXTS, TRAINING_TEXT
from random_texts import ALPHABETS, COUNT, SEED, random_text

VOCABULARY = 1200
BOS, EOS = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"
BOS_ID = VOCABULARY  # as everywhere: `tokenizers` numbers added tokens itself, from there on
# The form of DeepSeek-V2's sequence, with some of its ranges.
LETTERS = "A-Za-zµÀ-ÖØ-öø-ƺʕ-ʯͰ-ͳͶͷΆΈ-ΊΌΎ-ΡΣ-ϵА-ҁҊ-ԯԱ-Ֆᴀ-ᴫἀ-ἕℂℊ-ℓＡ-Ｚａ-ｚ𐐀-𐑏𞤀-𞥃"
PUNCTUATION = "!-/:-~！-／：-～‘-‟\u3000-。"
IDEOGRAPHS = "一-龥ࠀ-一가-\ud7ff"
# The form of the byte-level tokenizers that split by one expression, for the other matcher.
ONE_EXPRESSION = (r"'(?:s|t|re|ve|m|ll|d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
                  r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ message['content'] + '\\n\\n' }}"
    "{% elif message['role'] == 'user' %}{{ 'User: ' + message['content'] + '\\n\\n' }}"
    "{% elif message['role'] == 'assistant' %}"
    "{{ 'Assistant: ' + message['content'] + eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}")


def split(expression):
    return pre.Split(Regex(expression), "isolated")


def byte_level():
    return pre.ByteLevel(add_prefix_space=False, use_regex=False)


def sequence():
    return pre.Sequence([split("[\r\n]"), split(rf"\s?[{LETTERS}]+"), split(rf"\s?[{PUNCTUATION}]+"),
                         split(r"\s+$"), split(f"[{IDEOGRAPHS}]+"), pre.Digits(True), byte_level()])


def make_tokenizer():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([])
    tokenizer.pre_tokenizer = sequence()
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, show_progress=False,
                                  initial_alphabet=pre.ByteLevel.alphabet())
    texts = [TRAINING_TEXT] * 20 + [random_text(SEED + 1, i) for i in range(2000)]
    tokenizer.train_from_iterator(texts, trainer)
    document = json.loads(tokenizer.to_str())
    document["model"]["merges"] = [" ".join(pair) for pair in document["model"]["merges"]]
    document["added_tokens"] = [
        {"id": BOS_ID + i, "content": content, "single_word": False, "lstrip": False,
         "rstrip": False, "normalized": True, "special": True}
        for i, content in enumerate([BOS, EOS])]
    return document


def loaded(document):
    return Tokenizer.from_str(json.dumps(document))


def ids_of(tokenizer, text):
    return tokenizer.encode(text, add_special_tokens=False).ids


def fnv1a(ids):
    value = 0x811C9DC5
    for token in ids:
        for byte in token.to_bytes(4, "little"):
            value = (value ^ byte) * 0x01000193 % 2**32
    return value


def hashes(tokenizer):
    return "".join(f"{fnv1a(ids_of(tokenizer, random_text(SEED, i))):08x}" for i in range(COUNT))


def rendered(template, messages, add_generation_prompt):
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(template).render(
        messages=messages, bos_token=BOS, eos_token=EOS, tools=None, documents=None,
        add_generation_prompt=add_generation_prompt)


def make_cases(tokenizer):
    texts = [{"text": text, "ids": ids_of(tokenizer, text)} for text in TEXTS]
    chats = []
    for messages in CHATS:
        for prompt in (True, False):
            text = rendered(CHAT_TEMPLATE, messages, prompt)
            chats.append({"messages": messages, "add_generation_prompt": prompt, "text": text,
                          "ids": ids_of(tokenizer, text)})
    return {"texts": texts, "chats": chats}


def make_random(document, regex_document, published, before):
    result = {"seed": SEED, "count": COUNT, "alphabets": ALPHABETS,
              "own": hashes(loaded(document)), "one_expression": hashes(loaded(regex_document))}
    if published:
        result["published"] = hashes(Tokenizer.from_file(os.path.join(published, "tokenizer.json")))
    elif "published" in before:
        result["published"] = before["published"]
    return result


def make_templates():
    messages = CHATS[2]
    return [{"template": template, "messages": messages, "add_generation_prompt": True,
             "text": rendered(template, messages, True)} for template in TEMPLATES]


def text_of(value):
    """JSON with a line for each element of a list or member of an object, two levels deep."""
    def compact(part):
        return json.dumps(part, ensure_ascii=False, separators=(",", ":"))

    def lines(part, depth):
        if depth == 0 or not isinstance(part, (dict, list)) or not part:
            return compact(part)
        if isinstance(part, list):
            return "[\n" + ",\n".join(lines(entry, depth - 1) for entry in part) + "\n]"
        return "{\n" + ",\n".join(
            compact(key) + ":" + lines(entry, depth - 1) for key, entry in part.items()) + "\n}"

    return lines(value, 2)


def write(folder, name, value):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write(text_of(value) + "\n")


def main():
    out = sys.argv[1]
    published = sys.argv[2] if len(sys.argv) > 2 else None
    before = {}
    if os.path.exists(os.path.join(out, "random.json")):
        with open(os.path.join(out, "random.json"), encoding="utf-8") as file:
            before = json.load(file)
    document = make_tokenizer()
    regex = json.loads(pre.Sequence([split(ONE_EXPRESSION), byte_level()]).__getstate__())
    write(out, "tokenizer.json", document)
    write(out, "regex_pre_tokenizer.json", regex)
    write(out, "tokenizer_config.json",
          {"add_bos_token": True, "add_eos_token": False, "bos_token": {"content": BOS},
           "eos_token": EOS, "model_max_length": 4096, "chat_template": CHAT_TEMPLATE})
    write(out, "cases.json", make_cases(loaded(document)))
    write(out, "random.json",
          make_random(document, document | {"pre_tokenizer": regex}, published, before))
    write(out, "templates.json", make_templates())


if __name__ == "__main__":
    main()
