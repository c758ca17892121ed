"""The widths of the model, and the config.json that says them."""

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class Shape:
    """DeepSeek-V2-Lite's attention widths and routing; narrow elsewhere."""

    vocabulary: int
    hidden: int = 256
    layers: int = 4
    heads: int = 2
    latent: int = 512
    nope: int = 128
    rope: int = 64
    value: int = 128
    dense_width: int = 768
    experts: int = 64
    chosen: int = 6
    shared: int = 2
    expert_width: int = 32
    eps: float = 1e-6

    # YaRN as in V2-Lite.
    theta: float = 10000.0
    yarn_factor: float = 40.0
    yarn_mscale: float = 0.707
    yarn_context: int = 4096
    yarn_beta_fast: float = 32.0
    yarn_beta_slow: float = 1.0

    def softmax_scale(self) -> float:
        """(nope + rope)^-0.5 times the square of YaRN's factor for attention."""
        m = 0.1 * self.yarn_mscale * math.log(self.yarn_factor) + 1.0
        return (self.nope + self.rope) ** -0.5 * m * m

    def frequencies(self) -> list[float]:
        """The rotary frequency of each of the rope / 2 adjacent pairs, in double precision."""

        def correction(rotations: float) -> float:
            return (self.rope * math.log(self.yarn_context / (rotations * 2 * math.pi))
                    / (2 * math.log(self.theta)))

        low = max(math.floor(correction(self.yarn_beta_fast)), 0)
        high = min(math.ceil(correction(self.yarn_beta_slow)), self.rope - 1)
        result = []
        for pair in range(self.rope // 2):
            plain = self.theta ** (-2.0 * pair / self.rope)
            ramp = min(max((pair - low) / (high - low), 0.0), 1.0)
            result.append(plain / self.yarn_factor * ramp + plain * (1.0 - ramp))
        return result

    def config(self, bos_id: int, eos_id: int) -> dict[str, object]:
        """The members of config.json."""
        return {
            "architectures": ["DeepseekV2ForCausalLM"],
            "model_type": "deepseek_v2",
            "attention_bias": False,
            "attention_dropout": 0.0,
            "aux_loss_alpha": 0.001,
            "bos_token_id": bos_id,
            "eos_token_id": eos_id,
            "first_k_dense_replace": 1,
            "hidden_act": "silu",
            "hidden_size": self.hidden,
            "initializer_range": 0.02,
            "intermediate_size": self.dense_width,
            "kv_lora_rank": self.latent,
            "max_position_embeddings": 163840,
            "moe_intermediate_size": self.expert_width,
            "moe_layer_freq": 1,
            "n_group": 1,
            "n_routed_experts": self.experts,
            "n_shared_experts": self.shared,
            "norm_topk_prob": False,
            "num_attention_heads": self.heads,
            "num_experts_per_tok": self.chosen,
            "num_hidden_layers": self.layers,
            "num_key_value_heads": self.heads,
            "q_lora_rank": None,
            "qk_nope_head_dim": self.nope,
            "qk_rope_head_dim": self.rope,
            "rms_norm_eps": self.eps,
            "rope_scaling": {
                "type": "yarn",
                "factor": self.yarn_factor,
                "beta_fast": self.yarn_beta_fast,
                "beta_slow": self.yarn_beta_slow,
                "mscale": self.yarn_mscale,
                "mscale_all_dim": self.yarn_mscale,
                "original_max_position_embeddings": self.yarn_context,
            },
            "rope_theta": self.theta,
            "routed_scaling_factor": 1.0,
            "scoring_func": "softmax",
            "seq_aux": True,
            "tie_word_embeddings": False,
            "topk_group": 1,
            "topk_method": "greedy",
            "torch_dtype": "bfloat16",
            "use_cache": True,
            "v_head_dim": self.value,
            "vocab_size": self.vocabulary,
        }
