#!/usr/bin/env python3
"""Makes the checkpoints of tests/golden/model and what a model of that shape computes for them.

usage: make_goldens.py OUT          writes OUT/<variant>/{config.json, *.safetensors, golden.json}
       make_goldens.py --check DIR  recomputes DIR/golden.json and prints the largest difference

Needs transformers 5.23.0, torch and safetensors (see README.md); nothing else in Sextant does.

The forward pass is transformers' own DeepseekV2, but for what it leaves out or does in another
order than DeepSeek's published modeling_deepseek.py, which the goldens follow (`follow_deepseek`).
"""
import copy
import json
import os
import sys
import zlib

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import DeepseekV2Config, DeepseekV2ForCausalLM
from transformers.models.deepseek_v2 import modeling_deepseek_v2 as hf

SEED = 20240509
PROMPT = 40
LONG_PROMPT = 600

COMMON = {
    "architectures": ["DeepseekV2ForCausalLM"], "model_type": "deepseek_v2", "hidden_act": "silu",
    "attention_bias": False, "vocab_size": 256, "bos_token_id": 254, "eos_token_id": 255,
    "max_position_embeddings": 163840, "rms_norm_eps": 1e-06, "scoring_func": "softmax",
    "norm_topk_prob": False, "topk_method": "greedy", "n_group": 1, "topk_group": 1,
    "routed_scaling_factor": 1.0, "moe_layer_freq": 1, "first_k_dense_replace": 1,
    "q_lora_rank": None, "rope_theta": 10000, "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
# DeepSeek-V2-Lite's attention, as narrow as possible elsewhere.
LITE = COMMON | {
    "hidden_size": 96, "intermediate_size": 136, "moe_intermediate_size": 24,
    "num_hidden_layers": 3, "num_attention_heads": 2, "num_key_value_heads": 2,
    "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128,
    "n_routed_experts": 16, "n_shared_experts": 2, "num_experts_per_tok": 6,
    "rope_scaling": {"type": "yarn", "factor": 40, "beta_fast": 32, "beta_slow": 1,
                     "mscale": 0.707, "mscale_all_dim": 0.707,
                     "original_max_position_embeddings": 4096},
}
# DeepSeek-V2's code paths: q-LoRA, groups, scaling; mscale and mscale_all_dim differ, so that cos
# and sin are scaled, and the long prompt passes the original context. Two shards.
V2 = COMMON | {
    "hidden_size": 72, "intermediate_size": 104, "moe_intermediate_size": 20,
    "num_hidden_layers": 3, "num_attention_heads": 3, "num_key_value_heads": 3,
    "q_lora_rank": 48, "kv_lora_rank": 96, "qk_nope_head_dim": 32, "qk_rope_head_dim": 32,
    "v_head_dim": 48, "n_routed_experts": 16, "n_shared_experts": 2, "num_experts_per_tok": 6,
    "topk_method": "group_limited_greedy", "n_group": 4, "topk_group": 2,
    "routed_scaling_factor": 16.0,
    "rope_scaling": {"rope_type": "yarn", "factor": 8, "beta_fast": 32, "beta_slow": 1,
                     "mscale": 1.0, "mscale_all_dim": 0.707,
                     "original_max_position_embeddings": 256},
}
# No YaRN, normalised weights (and a scaling factor that must then be ignored), experts in every
# second layer, one matrix for embedding and lm_head, f32 weights.
PLAIN = COMMON | {
    "hidden_size": 56, "intermediate_size": 88, "moe_intermediate_size": 12,
    "num_hidden_layers": 5, "num_attention_heads": 4, "num_key_value_heads": 4,
    "kv_lora_rank": 64, "qk_nope_head_dim": 32, "qk_rope_head_dim": 16, "v_head_dim": 24,
    "n_routed_experts": 12, "n_shared_experts": 1, "num_experts_per_tok": 3, "moe_layer_freq": 2,
    "norm_topk_prob": True, "routed_scaling_factor": 2.5, "rope_theta": 25000,
    "tie_word_embeddings": True, "torch_dtype": "float32",
}
# f16 weights, the newer spellings of the config, YaRN without mscale (softmax unscaled).
HALF = {k: v for k, v in COMMON.items() if k not in ("rope_theta", "torch_dtype")} | {
    "hidden_size": 64, "intermediate_size": 88, "moe_intermediate_size": 16,
    "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2,
    "kv_lora_rank": 40, "qk_nope_head_dim": 24, "qk_rope_head_dim": 8, "v_head_dim": 16,
    "n_routed_experts": 8, "n_shared_experts": 2, "num_experts_per_tok": 2,
    "topk_method": "gready", "dtype": "float16",
    "rope_parameters": {"rope_type": "yarn", "rope_theta": 10000, "factor": 4, "beta_fast": 32,
                        "beta_slow": 1, "original_max_position_embeddings": 512},
}
VARIANTS = {"lite": (LITE, 1), "v2": (V2, 2), "plain": (PLAIN, 1), "half": (HALF, 1)}
STORED = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}


def is_moe(config, layer):
    return layer >= config["first_k_dense_replace"] and layer % config["moe_layer_freq"] == 0


def shapes(c):
    """Every tensor of a checkpoint: name -> shape, in the order of the file."""
    hidden, heads = c["hidden_size"], c["num_attention_heads"]
    qk = c["qk_nope_head_dim"] + c["qk_rope_head_dim"]
    out = {"model.embed_tokens.weight": [c["vocab_size"], hidden]}

    def mlp(prefix, width):
        out[prefix + "gate_proj.weight"] = [width, hidden]
        out[prefix + "up_proj.weight"] = [width, hidden]
        out[prefix + "down_proj.weight"] = [hidden, width]

    for i in range(c["num_hidden_layers"]):
        layer = f"model.layers.{i}."
        attention = layer + "self_attn."
        if c["q_lora_rank"] is None:
            out[attention + "q_proj.weight"] = [heads * qk, hidden]
        else:
            out[attention + "q_a_proj.weight"] = [c["q_lora_rank"], hidden]
            out[attention + "q_a_layernorm.weight"] = [c["q_lora_rank"]]
            out[attention + "q_b_proj.weight"] = [heads * qk, c["q_lora_rank"]]
        out[attention + "kv_a_proj_with_mqa.weight"] = [
            c["kv_lora_rank"] + c["qk_rope_head_dim"], hidden]
        out[attention + "kv_a_layernorm.weight"] = [c["kv_lora_rank"]]
        out[attention + "kv_b_proj.weight"] = [
            heads * (c["qk_nope_head_dim"] + c["v_head_dim"]), c["kv_lora_rank"]]
        out[attention + "o_proj.weight"] = [hidden, heads * c["v_head_dim"]]
        if is_moe(c, i):
            out[layer + "mlp.gate.weight"] = [c["n_routed_experts"], hidden]
            for e in range(c["n_routed_experts"]):
                mlp(f"{layer}mlp.experts.{e}.", c["moe_intermediate_size"])
            mlp(layer + "mlp.shared_experts.", c["moe_intermediate_size"] * c["n_shared_experts"])
        else:
            mlp(layer + "mlp.", c["intermediate_size"])
        out[layer + "input_layernorm.weight"] = [hidden]
        out[layer + "post_attention_layernorm.weight"] = [hidden]
    out["model.norm.weight"] = [hidden]
    if not c["tie_word_embeddings"]:
        out["lm_head.weight"] = [c["vocab_size"], hidden]
    return out


def make_tensor(config, name, shape, dtype):
    """Normal, scaled so that every layer's output has a size near 1; norms scatter around 1."""
    random = np.random.Generator(np.random.PCG64([SEED, zlib.crc32(name.encode())]))
    values = random.standard_normal(shape)
    if "norm" in name:
        values = 1 + 0.2 * values
    elif "embed_tokens" in name:
        values *= 1.5 * shape[1] ** -0.5 if config["tie_word_embeddings"] else 1.0
    else:
        gain = {"lm_head": 1.5, "mlp.gate.": 1.5, "q_proj": 1.5, "q_b_proj": 1.5}
        scale = next((v for k, v in gain.items() if k in name), 1.0)
        if ".experts." in name and "down_proj" in name:
            scale *= 1.0 / config["routed_scaling_factor"] ** 0.5
        values *= scale * shape[1] ** -0.5
    return torch.from_numpy(values.astype(np.float32)).to(dtype)


def write_checkpoint(folder, config, shards):
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/config.json", "w", encoding="utf-8") as file:
        json.dump(config, file, indent=1)
        file.write("\n")
    dtype = STORED[config.get("torch_dtype") or config["dtype"]]
    tensors = {n: make_tensor(config, n, s, dtype) for n, s in shapes(config).items()}
    if shards == 1:
        save_file(tensors, f"{folder}/model.safetensors", {"format": "pt"})
        return
    names = list(tensors)
    weight_map = {}
    for shard in range(shards):
        file_name = f"model-{shard + 1:05d}-of-{shards:06d}.safetensors"
        part = names[len(names) * shard // shards:len(names) * (shard + 1) // shards]
        save_file({n: tensors[n] for n in part}, f"{folder}/{file_name}", {"format": "pt"})
        weight_map |= {n: file_name for n in part}
    total = sum(t.numel() * t.element_size() for t in tensors.values())
    with open(f"{folder}/model.safetensors.index.json", "w", encoding="utf-8") as file:
        json.dump({"metadata": {"total_size": total}, "weight_map": weight_map}, file, indent=1)
        file.write("\n")


class Experts(hf.DeepseekV2Experts):
    """modeling_deepseek.py's moe_infer: each slot is upcast and weighted, the slots of a token are
    summed in top-k order in f32, and the sum is rounded once. (transformers sums in bf16.)"""

    def forward(self, hidden_states, top_k_index, top_k_weights):
        out = torch.zeros_like(hidden_states, dtype=torch.float32)
        for k in range(top_k_index.shape[1]):
            for expert in range(self.num_experts):
                rows = torch.where(top_k_index[:, k] == expert)[0]
                if len(rows) == 0:
                    continue
                gate_up = torch.nn.functional.linear(hidden_states[rows], self.gate_up_proj[expert])
                gate, up = gate_up.chunk(2, dim=-1)
                slot = torch.nn.functional.linear(self.act_fn(gate) * up, self.down_proj[expert])
                out[rows] += slot.float() * top_k_weights[rows, k, None]
        return out.to(hidden_states.dtype)


class Router(hf.DeepseekV2TopkRouter):
    """Heaviest first; norm_topk_prob as modeling_deepseek.py's MoEGate has it (divided by the sum
    and not scaled), which transformers ignores."""

    def forward(self, hidden_states):
        logits, weights, ids = super().forward(hidden_states)
        order = torch.argsort(weights, dim=-1, descending=True, stable=True)
        weights, ids = weights.gather(-1, order), ids.gather(-1, order)
        if self.norm_topk_prob and self.top_k > 1:
            weights = weights / self.routed_scaling_factor
            weights = weights / (weights.sum(dim=-1, keepdim=True) + 1e-20)
        self.chosen = (ids, weights)
        return logits, weights, ids


def follow_deepseek(model, config):
    for i, layer in enumerate(model.model.layers):
        if not is_moe(config, i):
            if isinstance(layer.mlp, hf.DeepseekV2Moe):  # transformers ignores moe_layer_freq
                layer.mlp = hf.DeepseekV2MLP(model.config)
            continue
        layer.mlp.experts.__class__ = Experts
        layer.mlp.gate.__class__ = Router
        layer.mlp.gate.norm_topk_prob = config["norm_topk_prob"]


def load_model(folder, dtype):
    with open(f"{folder}/config.json", encoding="utf-8") as file:
        config = json.load(file)
    for_transformers = copy.deepcopy(config)
    if config["topk_method"] == "gready":
        for_transformers["topk_method"] = "greedy"
    model = DeepseekV2ForCausalLM(DeepseekV2Config(**for_transformers))
    model.config._attn_implementation = "eager"
    follow_deepseek(model, config)
    tensors = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith(".safetensors"):
            tensors |= load_file(f"{folder}/{name}")
    parameters = dict(model.named_parameters())
    for i, layer in enumerate(model.model.layers):
        if not is_moe(config, i):
            continue
        prefix = f"model.layers.{i}.mlp.experts."
        for e in range(config["n_routed_experts"]):
            part = {p: tensors.pop(f"{prefix}{e}.{p}_proj.weight").float()
                    for p in ("gate", "up", "down")}
            layer.mlp.experts.gate_up_proj.data[e] = torch.cat((part["gate"], part["up"]))
            layer.mlp.experts.down_proj.data[e] = part["down"]
        del parameters[prefix + "gate_up_proj"], parameters[prefix + "down_proj"]
    if config["tie_word_embeddings"]:
        model.lm_head.weight = model.model.embed_tokens.weight
        parameters.pop("lm_head.weight", None)
    for name, parameter in parameters.items():
        parameter.data.copy_(tensors.pop(name).float())
    assert not tensors, f"tensors that the model has no place for: {sorted(tensors)}"
    return config, model.eval().to(dtype)


def forward(model, ids):
    with torch.no_grad():
        return model(torch.tensor([ids]), use_cache=False).logits[0].float()


def prompt_ids(vocab, count, seed):
    """BOS, then ordinary ids from the C library's old linear congruential generator."""
    ids, state = [vocab - 2], seed
    while len(ids) < count:
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        ids.append((state >> 16) % (vocab - 6))
    return ids


def floats(tensor):
    """Nested lists of the shortest decimals that read back as the same f32."""
    return [floats(row) for row in tensor] if tensor.dim() else float(str(np.float32(tensor)))


def compute(folder, ids, long_ids):
    config, model = load_model(folder, torch.float32)
    logits = forward(model, ids)
    routing = []
    for i, layer in enumerate(model.model.layers):
        if is_moe(config, i):
            experts, weights = layer.mlp.gate.chosen
            routing.append({"layer": i, "idx": experts.tolist(), "w": floats(weights)})
    long_logits = forward(model, long_ids)[-4:]
    _, in_bf16 = load_model(folder, torch.bfloat16)
    logits_bf16 = forward(in_bf16, ids)
    return {
        "input_ids": ids,
        "logits_fp32": floats(logits),
        "argmax_fp32": logits.argmax(-1).tolist(),
        "routing": routing,
        "logits_bf16": floats(logits_bf16),
        "argmax_bf16": logits_bf16.argmax(-1).tolist(),
        "bf16_vs_fp32_max_abs": float((logits_bf16 - logits).abs().max()),
        "long": {"input_ids": long_ids, "last4_logits_fp32": floats(long_logits)},
    }


def check(folder):
    with open(f"{folder}/golden.json", encoding="utf-8") as file:
        golden = json.load(file)
    long_ids = golden["long"].get("input_ids")
    if long_ids is None:  # a file that only names the generator
        vocab = json.load(open(f"{folder}/config.json", encoding="utf-8"))["vocab_size"]
        state, long_ids = 11, [vocab - 2]
        while len(long_ids) < golden["long"]["n"]:
            state = (state * 1103515245 + 12345) & 0x7FFFFFFF
            long_ids.append((state >> 16) % 500)
    again = compute(folder, golden["input_ids"], long_ids)

    def largest(a, b):
        return float(np.abs(np.array(a) - np.array(b)).max())

    print(folder)
    print("  fp32 logits      ", largest(again["logits_fp32"], golden["logits_fp32"]))
    print("  long prompt      ", largest(again["long"]["last4_logits_fp32"],
                                         golden["long"]["last4_logits_fp32"]))
    for mine, theirs in zip(again["routing"], golden["routing"]):
        print(f"  routing layer {mine['layer']}   equal {mine['idx'] == theirs['idx']}, weights",
              largest(mine["w"], theirs["w"]))
    last = golden.get("logits_bf16_last") or golden["logits_bf16"][-1]
    print("  bf16 last logits ", largest(again["logits_bf16"][-1], last), "argmax equal",
          sum(a == b for a, b in zip(again["argmax_bf16"], golden["argmax_bf16"])))
    print("  bf16 to fp32     ", again["bf16_vs_fp32_max_abs"], golden["bf16_vs_fp32_max_abs"])


def main():
    torch.manual_seed(0)
    torch.set_num_threads(1)
    if len(sys.argv) == 3 and sys.argv[1] == "--check":
        check(sys.argv[2])
        return
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for name, (config, shards) in VARIANTS.items():
        folder = f"{sys.argv[1]}/{name}"
        write_checkpoint(folder, config, shards)
        golden = compute(folder, prompt_ids(config["vocab_size"], PROMPT, 7),
                         prompt_ids(config["vocab_size"], LONG_PROMPT, 11))
        with open(f"{folder}/golden.json", "w", encoding="utf-8") as file:
            json.dump(golden, file, separators=(",", ":"))
            file.write("\n")
        logits = np.array(golden["logits_fp32"])
        used = [len(set(sum(r["idx"], []))) for r in golden["routing"]]
        size = sum(os.path.getsize(f"{folder}/{f}") for f in os.listdir(folder))
        print(f"{name}: {size} bytes, logits std {logits.std():.2f}, "
              f"bf16 to fp32 {golden['bf16_vs_fp32_max_abs']:.3f}, "
              f"argmax equal {sum(a == b for a, b in zip(golden['argmax_fp32'], golden['argmax_bf16']))}"
              f" of {PROMPT}, experts used per layer {used}")


if __name__ == "__main__":
    main()
