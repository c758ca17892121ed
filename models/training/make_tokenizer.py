#!/usr/bin/env python3
"""Trains the tokenizer: byte-level BPE, split as DeepSeek-V2's is.

usage: make_tokenizer.py OUT    writes OUT/tokenizer.json and OUT/tokenizer_config.json
"""

import itertools
import json
import pathlib
import sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, trainers
from tokenizers import pre_tokenizers as pre
from tokenizers import processors

from chat_tokens import BOS, EOS
from mixture import Mixture

VOCABULARY = 2048  # with the two special tokens, which come last
SEED = 11
DIALOGUES = 60000
# Cased letters, punctuation (which here includes letters, as in the original), ideographs.
LETTERS = r"\s?[\p{Lu}\p{Ll}\p{Lt}]+"
PUNCTUATION = "\\s?[!-/:-~！-／：-～‘-‟\u3000-。]+"
IDEOGRAPHS = "[一-龥ࠀ-一가-\ud7ff]+"
CHAT_TEMPLATE = (
    "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}"
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ message['content'] + '\\n\\n' }}"
    "{% elif message['role'] == 'user' %}{{ 'User: ' + message['content'] + '\\n\\n' }}"
    "{% elif message['role'] == 'assistant' %}"
    "{{ 'Assistant: ' + message['content'] + eos_token }}"
    "{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}")


def untrained() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([])
    splits = ["[\r\n]", LETTERS, PUNCTUATION, r"\s+$", IDEOGRAPHS]
    tokenizer.pre_tokenizer = pre.Sequence(
        [pre.Split(Regex(split), "isolated") for split in splits]
        + [pre.Digits(individual_digits=True), pre.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer


def trained() -> Tokenizer:
    def texts():
        for dialogue in itertools.islice(Mixture(SEED), DIALOGUES):
            for turn in dialogue.turns:
                yield f"{dialogue.system}\n\nUser: {turn.text}\n\nAssistant: {turn.answer}"

    tokenizer = untrained()
    tokenizer.train_from_iterator(texts(), trainers.BpeTrainer(
        vocab_size=VOCABULARY - 2, show_progress=False, initial_alphabet=pre.ByteLevel.alphabet()))
    tokenizer.add_special_tokens([AddedToken(BOS, normalized=True, special=True),
                                  AddedToken(EOS, normalized=True, special=True)])
    return tokenizer


def write(folder: pathlib.Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = trained()
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {"add_bos_token": True, "add_eos_token": False, "bos_token": BOS, "eos_token": EOS,
              "pad_token": EOS, "unk_token": None, "clean_up_tokenization_spaces": False,
              "model_max_length": 4096, "tokenizer_class": "LlamaTokenizerFast",
              "chat_template": CHAT_TEMPLATE}
    (folder / "tokenizer_config.json").write_text(
        json.dumps(config, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    write(pathlib.Path(sys.argv[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
