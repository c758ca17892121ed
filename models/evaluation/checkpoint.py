"""Asks a checkpoint through transformers; needs the packages of ../training/requirements.txt.

Prompts are rendered by the folder's own template and encoded by the `tokenizers` library: from
version 5 on, transformers' own tokenizer class splits the text of this family wrongly.
"""

import json
import pathlib

import torch
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer
from transformers import DeepseekV2ForCausalLM

from questions import HeldOutQuestion

BATCH = 32


class Checkpoint:
    def __init__(self, folder: pathlib.Path, dtype: torch.dtype) -> None:
        self.model = DeepseekV2ForCausalLM.from_pretrained(folder, dtype=dtype).eval()
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        self._template = environment.from_string(self._config["chat_template"])
        self.eos = self._tokenizer.token_to_id(self._config["eos_token"])

    def encode(self, messages: list[dict[str, str]], for_answer: bool = True) -> list[int]:
        text = self._template.render(
            messages=messages, add_generation_prompt=for_answer,
            bos_token=self._config["bos_token"], eos_token=self._config["eos_token"])
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def decode(self, ids: list[int]) -> str:
        return self._tokenizer.decode(ids)

    def answers(self, questions: list[HeldOutQuestion], max_tokens: int) -> list[str]:
        prompts = [self.encode(question.messages) for question in questions]
        return [self.decode([i for i in ids if i != self.eos])
                for ids in self.greedy(prompts, max_tokens)]

    def greedy(self, prompts: list[list[int]], max_tokens: int) -> list[list[int]]:
        """The likeliest ids after each prompt, up to and with the end token."""
        by_length: dict[int, list[int]] = {}
        for i, prompt in enumerate(prompts):
            by_length.setdefault(len(prompt), []).append(i)
        result: list[list[int]] = [[] for _ in prompts]
        for indices in by_length.values():  # equal lengths need no padding
            for at in range(0, len(indices), BATCH):
                group = indices[at:at + BATCH]
                ids = torch.tensor([prompts[i] for i in group])
                for i, answer in zip(group, self._extend(ids, max_tokens), strict=True):
                    result[i] = answer
        return result

    @torch.no_grad()
    def _extend(self, ids: torch.Tensor, max_tokens: int) -> list[list[int]]:
        answers: list[list[int]] = [[] for _ in range(ids.shape[0])]
        going = torch.ones(ids.shape[0], dtype=torch.bool)
        cache, new = None, ids
        for _ in range(max_tokens):
            out = self.model(new, past_key_values=cache, use_cache=True)
            cache = out.past_key_values
            best = out.logits[:, -1].argmax(-1)
            for row, token in enumerate(best.tolist()):
                if going[row]:
                    answers[row].append(token)
            going &= best != self.eos
            if not going.any():
                break
            new = best.unsqueeze(1)
        return answers
