"""Dialogues as token ids in DeepSeek's chat form, and which of them the loss counts."""

import dataclasses

from tokenizers import Tokenizer

from question import Dialogue

BOS, EOS = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"


@dataclasses.dataclass(frozen=True)
class Row:
    ids: list[int]
    counts: list[bool]  # whether this id is to be predicted: those of the answers and their ends


class ChatTokens:
    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.bos = tokenizer.token_to_id(BOS)
        self.eos = tokenizer.token_to_id(EOS)
        self.vocabulary = tokenizer.get_vocab_size()

    def encode(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def decode(self, ids: list[int]) -> str:
        return self._tokenizer.decode(ids)

    def row(self, dialogue: Dialogue) -> Row:
        """The text between special tokens is encoded in one go, as the template renders it."""
        ids, counts = [self.bos], [False]
        text = f"{dialogue.system}\n\n" if dialogue.system else ""
        for turn in dialogue.turns:
            prompt = self.encode(f"{text}User: {turn.text}\n\nAssistant:")
            both = self.encode(f"{text}User: {turn.text}\n\nAssistant: {turn.answer}")
            assert both[:len(prompt)] == prompt, f"the prompt's tokens change: {turn.text}"
            ids += both + [self.eos]
            counts += [False] * len(prompt) + [True] * (len(both) - len(prompt) + 1)
            text = ""
        return Row(ids, counts)
