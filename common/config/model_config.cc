#include "common/config/model_config.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "common/base/file.h"
#include "common/base/status.h"
#include "common/config/json_document.h"
#include "common/config/json_fields.h"
#include "common/config/rope_fields.h"
#include "nlohmann/json.hpp"

namespace sextant {
namespace {

constexpr std::int64_t kMaxConfigBytes = 1 << 20;

// Chosen well above any published model, and so that three of them multiply
// without overflow.
constexpr IntRange kLayers = {.min = 1, .max = 1024};
constexpr IntRange kWidth = {.min = 1, .max = 1 << 20};
constexpr IntRange kHeads = {.min = 1, .max = 4096};
constexpr IntRange kHeadDim = {.min = 1, .max = 4096};
constexpr IntRange kRank = {.min = 1, .max = 1 << 16};
constexpr IntRange kVocabulary = {.min = 1, .max = 1 << 24};
constexpr IntRange kExperts = {.min = 1, .max = 1024};
constexpr IntRange kPositions = {.min = 1, .max = 1 << 30};

// A key that, where present, must hold the one value that this implementation computes.
template <typename T>
void RequireValue(JsonFields& fields, const char* key, const T& only) {
  const nlohmann::json* member = fields.Find(key);
  if (member == nullptr || member->is_null() || *member == only) return;
  fields.Fail(key, absl::StrCat("is not supported unless it is ", nlohmann::json(only).dump()));
}

void ReadUnsupported(JsonFields& fields) {
  std::string model_type;
  fields.String("model_type", &model_type);
  RequireValue(fields, "model_type", "deepseek_v2");
  RequireValue(fields, "hidden_act", "silu");
  RequireValue(fields, "attention_bias", false);
  RequireValue(fields, "mlp_bias", false);
  RequireValue(fields, "scoring_func", "softmax");
  if (const auto* quantized = fields.Find("quantization_config");
      quantized != nullptr && !quantized->is_null()) {
    fields.Fail("quantization_config", "is not supported; use the bf16 checkpoint");
  }
}

void ReadShape(JsonFields& fields, ModelConfig& config) {
  fields.Int("hidden_size", &config.hidden_size, kWidth);
  fields.Int("num_hidden_layers", &config.num_hidden_layers, kLayers);
  fields.Int("num_attention_heads", &config.num_attention_heads, kHeads);
  fields.Int("vocab_size", &config.vocab_size, kVocabulary);
  fields.Int("intermediate_size", &config.intermediate_size, kWidth);
  fields.Int("max_position_embeddings", &config.max_position_embeddings, kPositions);
  fields.Bool("tie_word_embeddings", &config.tie_word_embeddings, Presence::kOptional);
  fields.Double("rms_norm_eps", &config.rms_norm_eps, {.min = 1e-12, .max = 0.1});
}

void ReadAttention(JsonFields& fields, ModelConfig& config) {
  fields.Int("kv_lora_rank", &config.kv_lora_rank, kRank);
  // Null means none; absent would mean the 1536 of the reference implementation's class.
  if (!fields.Has("q_lora_rank")) fields.Fail("q_lora_rank", "is missing (null means none)");
  fields.OptionalInt("q_lora_rank", &config.q_lora_rank, kRank);
  fields.Int("qk_nope_head_dim", &config.qk_nope_head_dim, kHeadDim);
  fields.Int("qk_rope_head_dim", &config.qk_rope_head_dim, kHeadDim);
  fields.Int("v_head_dim", &config.v_head_dim, kHeadDim);
  if (config.qk_rope_head_dim % 2 != 0) {
    fields.Fail("qk_rope_head_dim", "must be even: rotary pairs have two values");
  }
  std::int64_t kv_heads = config.num_attention_heads;
  fields.Int("num_key_value_heads", &kv_heads, kHeads, Presence::kOptional);
  if (kv_heads != config.num_attention_heads) {
    fields.Fail("num_key_value_heads", "must equal num_attention_heads in this family");
  }
}

void ReadTopkMethod(JsonFields& fields, ModelConfig& config) {
  std::string method;
  fields.String("topk_method", &method);
  if (method == "greedy" || method == "gready") {
    config.topk_method = TopkMethod::kGreedy;
  } else if (method == "group_limited_greedy") {
    config.topk_method = TopkMethod::kGroupLimitedGreedy;
  } else {
    fields.Fail("topk_method", absl::StrCat("\"", method,
                                            "\" is not supported; \"greedy\" and "
                                            "\"group_limited_greedy\" are"));
  }
  const Presence presence = config.topk_method == TopkMethod::kGroupLimitedGreedy
                                ? Presence::kRequired
                                : Presence::kOptional;
  fields.Int("n_group", &config.n_group, kExperts, presence);
  fields.Int("topk_group", &config.topk_group, kExperts, presence);
}

void CheckRouting(JsonFields& fields, const ModelConfig& config) {
  if (!fields.status().ok()) return;
  std::int64_t candidates = config.n_routed_experts;
  if (config.topk_method == TopkMethod::kGroupLimitedGreedy) {
    if (config.n_routed_experts % config.n_group != 0) {
      fields.Fail("n_group", absl::StrCat(config.n_group, " does not divide n_routed_experts ",
                                          config.n_routed_experts));
    }
    if (config.topk_group > config.n_group) {
      fields.Fail("topk_group",
                  absl::StrCat(config.topk_group, " is above n_group ", config.n_group));
    }
    candidates = config.n_routed_experts / config.n_group * config.topk_group;
  }
  if (config.num_experts_per_tok > candidates) {
    fields.Fail("num_experts_per_tok", absl::StrCat(config.num_experts_per_tok, " is above the ",
                                                    candidates, " experts to choose from"));
  }
}

void ReadExperts(JsonFields& fields, ModelConfig& config) {
  fields.Int("n_routed_experts", &config.n_routed_experts, kExperts);
  fields.Int("n_shared_experts", &config.n_shared_experts, {.min = 0, .max = 256},
             Presence::kOptional);
  fields.Int("num_experts_per_tok", &config.num_experts_per_tok, kExperts);
  fields.Int("moe_intermediate_size", &config.moe_intermediate_size, kWidth);
  fields.Int("first_k_dense_replace", &config.first_k_dense_replace,
             {.min = 0, .max = kLayers.max});
  fields.Int("moe_layer_freq", &config.moe_layer_freq, kLayers, Presence::kOptional);
  fields.Bool("norm_topk_prob", &config.norm_topk_prob, Presence::kOptional);
  fields.Double("routed_scaling_factor", &config.routed_scaling_factor, {.min = 1e-6, .max = 1e6},
                Presence::kOptional);
  ReadTopkMethod(fields, config);
  CheckRouting(fields, config);
}

void ReadDType(JsonFields& fields, ModelConfig& config) {
  const char* key = fields.Has("dtype") ? "dtype" : "torch_dtype";
  std::string name = "bfloat16";
  fields.String(key, &name, Presence::kOptional);
  if (name == "bfloat16") {
    config.dtype = DType::kBf16;
  } else if (name == "float16") {
    config.dtype = DType::kFp16;
  } else if (name == "float32") {
    config.dtype = DType::kFp32;
  } else {
    fields.Fail(key, absl::StrCat("\"", name,
                                  "\" is not supported; \"bfloat16\", \"float16\" and "
                                  "\"float32\" are"));
  }
}

void ReadTokenIds(JsonFields& fields, ModelConfig& config) {
  if (!fields.status().ok()) return;
  const IntRange ids = {.min = 0, .max = config.vocab_size - 1};
  fields.OptionalInt("bos_token_id", &config.bos_token_id, ids);
  fields.IntOrList("eos_token_id", &config.eos_token_ids, ids);
}

}  // namespace

absl::StatusOr<ModelConfig> ParseModelConfig(absl::string_view text, const std::string& source) {
  ASSIGN_OR_RETURN(const nlohmann::json document, ParseJson(text, source));
  JsonFields fields(document, source);
  ModelConfig config;
  ReadUnsupported(fields);
  ReadShape(fields, config);
  ReadAttention(fields, config);
  ReadExperts(fields, config);
  ReadDType(fields, config);
  ReadTokenIds(fields, config);
  RETURN_IF_ERROR(fields.status());
  RETURN_IF_ERROR(ReadRope(document, source, config));
  return config;
}

absl::StatusOr<ModelConfig> ReadModelConfig(const std::string& dir_or_path) {
  std::error_code ignored;
  const bool is_directory = std::filesystem::is_directory(dir_or_path, ignored);
  const std::string path =
      is_directory ? (std::filesystem::path(dir_or_path) / "config.json").string() : dir_or_path;
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxConfigBytes));
  return ParseModelConfig(text, path);
}

}  // namespace sextant
