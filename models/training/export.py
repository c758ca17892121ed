#!/usr/bin/env python3
"""Writes a checkpoint of train.py as a Hugging Face folder, its weights rounded to bf16.

Example:
  export.py --state ~/.cache/sextant-training --out models/demo
"""

import argparse
import json
import pathlib
import shutil
import sys

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor

from chat_tokens import ChatTokens
from network.shape import Shape


def published(name: str, tensor: Tensor) -> dict[str, Tensor]:
    """One parameter of the network under the names, and in the parts, of the published format."""
    if name == "lm_head.weight":
        return {name: tensor}
    name = f"model.{name}"
    if name.endswith("mlp.gate"):
        return {f"{name}.weight": tensor}
    if name.endswith("mlp.gate_up"):
        stem = name.removesuffix("gate_up")
        return {f"{stem}experts.{e}.{part}_proj.weight": tensor[e, i]
                for e in range(tensor.shape[0]) for i, part in enumerate(("gate", "up"))}
    if name.endswith("mlp.down"):
        stem = name.removesuffix("down")
        return {f"{stem}experts.{e}.down_proj.weight": tensor[e] for e in range(tensor.shape[0])}
    return {name: tensor}


def write_json(file: pathlib.Path, value: object) -> None:
    file.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def write_weights(state: dict[str, Tensor], out: pathlib.Path) -> None:
    tensors: dict[str, Tensor] = {}
    for name, tensor in state.items():
        tensors |= published(name, tensor)
    tensors = {name: tensor.bfloat16().contiguous() for name, tensor in tensors.items()}
    file = "model.safetensors"
    save_file(tensors, out / file, metadata={"format": "pt"})
    (out / file).chmod(0o644)
    write_json(out / "model.safetensors.index.json", {
        "metadata": {"total_size": sum(2 * tensor.numel() for tensor in tensors.values())},
        "weight_map": {name: file for name in sorted(tensors)}})


def export(state: pathlib.Path, out: pathlib.Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(state / "tokenizer" / file, out / file)
    chat = ChatTokens(Tokenizer.from_file(str(out / "tokenizer.json")))
    write_json(out / "config.json", Shape(chat.vocabulary).config(chat.bos, chat.eos))
    write_json(out / "generation_config.json",
               {"bos_token_id": chat.bos, "eos_token_id": chat.eos, "do_sample": True,
                "temperature": 0.3, "top_p": 0.95})
    saved = torch.load(state / "checkpoint.pt", weights_only=True)
    write_weights(saved["model"], out)
    print(f"step {saved['step']}, {saved['tokens'] / 1e6:.2f}M tokens, "
          f"{saved['seconds'] / 60:.0f} minutes -> {out}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--state", type=pathlib.Path, required=True, help="folder of train.py")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    options = parser.parse_args()
    export(options.state, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
