#include "common/config/model_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/config/json_document.h"
#include "tests/support/message_of.h"
#include "tests/support/shared_data.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/common/config/config_text.h"

namespace sextant {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

absl::StatusOr<ModelConfig> Parse(const json& document) {
  return ParseModelConfig(document.dump(), "dir/config.json");
}

ModelConfig ParseOrDie(const json& document) {
  absl::StatusOr<ModelConfig> config = Parse(document);
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *config : ModelConfig{};
}

// The message after setting one key of the valid config.
std::string ErrorWith(const std::string& key, const json& value) {
  json document = SmallConfig();
  document[key] = value;
  const auto config = Parse(document);
  EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument) << key << " " << value;
  return MessageOf(config);
}

TEST(ModelConfig, ReadsEveryField) {
  json document = SmallConfig();
  document["q_lora_rank"] = 20;
  document["topk_method"] = "group_limited_greedy";
  document["n_group"] = 4;
  document["topk_group"] = 2;
  document["routed_scaling_factor"] = 16.0;
  document["norm_topk_prob"] = true;
  document["tie_word_embeddings"] = true;
  document["torch_dtype"] = "float16";
  const ModelConfig config = ParseOrDie(document);
  EXPECT_EQ(config.hidden_size, 32);
  EXPECT_EQ(config.num_hidden_layers, 3);
  EXPECT_EQ(config.num_attention_heads, 2);
  EXPECT_EQ(config.vocab_size, 50);
  EXPECT_EQ(config.intermediate_size, 24);
  EXPECT_EQ(config.max_position_embeddings, 163840);
  EXPECT_EQ(config.kv_lora_rank, 16);
  EXPECT_EQ(config.q_lora_rank, 20);
  EXPECT_EQ(config.qk_nope_head_dim, 8);
  EXPECT_EQ(config.qk_rope_head_dim, 4);
  EXPECT_EQ(config.v_head_dim, 8);
  EXPECT_EQ(config.n_routed_experts, 8);
  EXPECT_EQ(config.n_shared_experts, 2);
  EXPECT_EQ(config.num_experts_per_tok, 3);
  EXPECT_EQ(config.moe_intermediate_size, 12);
  EXPECT_EQ(config.first_k_dense_replace, 1);
  EXPECT_EQ(config.topk_method, TopkMethod::kGroupLimitedGreedy);
  EXPECT_EQ(config.n_group, 4);
  EXPECT_EQ(config.topk_group, 2);
  EXPECT_TRUE(config.norm_topk_prob);
  EXPECT_EQ(config.routed_scaling_factor, 16.0);
  EXPECT_EQ(config.rms_norm_eps, 1e-6);
  EXPECT_EQ(config.rope_theta, 10000.0);
  ASSERT_TRUE(config.rope_scaling.has_value());
  EXPECT_EQ(config.rope_scaling->factor, 40.0);
  EXPECT_EQ(config.rope_scaling->beta_fast, 32.0);
  EXPECT_EQ(config.rope_scaling->beta_slow, 1.0);
  EXPECT_EQ(config.rope_scaling->mscale, 0.707);
  EXPECT_EQ(config.rope_scaling->mscale_all_dim, 0.707);
  EXPECT_EQ(config.rope_scaling->original_max_position_embeddings, 4096);
  EXPECT_TRUE(config.tie_word_embeddings);
  EXPECT_EQ(config.dtype, DType::kFp16);
  EXPECT_EQ(config.bos_token_id, 48);
  EXPECT_THAT(config.eos_token_ids, ElementsAre(49));
}

TEST(ModelConfig, LayersAfterTheDenseOnesHaveExpertsAtTheirFrequency) {
  ModelConfig config;
  config.first_k_dense_replace = 3;
  config.moe_layer_freq = 2;
  for (const auto& [layer, is_moe] : std::vector<std::pair<int, bool>>{
           {0, false}, {2, false}, {3, false}, {4, true}, {5, false}}) {
    EXPECT_EQ(config.IsMoeLayer(layer), is_moe) << layer;
  }
}

TEST(ModelConfig, AcceptsTheSpellingsOfOtherVersions) {
  json document = SmallConfig();
  document["topk_method"] = "gready";
  document["rope_scaling"].erase("type");
  document["rope_scaling"]["rope_type"] = "yarn";
  document.erase("torch_dtype");
  document["dtype"] = "float32";
  document["eos_token_id"] = {49, 3};
  for (const char* ignored : {"ep_size", "pad_token_id", "head_dim", "aux_loss_alpha"}) {
    document[ignored] = 64;
  }
  document["mlp_bias"] = false;
  const ModelConfig config = ParseOrDie(document);
  EXPECT_EQ(config.topk_method, TopkMethod::kGreedy);
  EXPECT_TRUE(config.rope_scaling.has_value());
  EXPECT_EQ(config.dtype, DType::kFp32);
  EXPECT_THAT(config.eos_token_ids, ElementsAre(49, 3));
}

TEST(ModelConfig, KeysThatTheReferenceDefaultsMayBeAbsent) {
  json document = SmallConfig();
  for (const char* key :
       {"moe_layer_freq", "n_group", "topk_group", "norm_topk_prob", "routed_scaling_factor",
        "scoring_func", "hidden_act", "attention_bias", "torch_dtype", "num_key_value_heads",
        "tie_word_embeddings", "bos_token_id", "eos_token_id", "n_shared_experts"}) {
    document.erase(key);
  }
  const ModelConfig config = ParseOrDie(document);
  EXPECT_EQ(config.n_shared_experts, 0);
  EXPECT_EQ(config.moe_layer_freq, 1);
  EXPECT_EQ(config.dtype, DType::kBf16);
  EXPECT_FALSE(config.bos_token_id.has_value());
  EXPECT_TRUE(config.eos_token_ids.empty());
}

TEST(ModelConfig, RopeParametersCarryThetaAndScaling) {
  json document = SmallConfig();
  document["rope_parameters"] = document["rope_scaling"];
  document["rope_parameters"]["rope_theta"] = 5000;
  document.erase("rope_scaling");
  document.erase("rope_theta");
  const ModelConfig config = ParseOrDie(document);
  EXPECT_EQ(config.rope_theta, 5000.0);
  ASSERT_TRUE(config.rope_scaling.has_value());
  EXPECT_EQ(config.rope_scaling->factor, 40.0);

  document["rope_theta"] = 6000;
  EXPECT_THAT(MessageOf(Parse(document)), HasSubstr("rope_theta disagrees"));
}

TEST(ModelConfig, PlainRotaryIsNullAbsentOrDefault) {
  json document = SmallConfig();
  document["rope_scaling"] = nullptr;
  EXPECT_FALSE(ParseOrDie(document).rope_scaling.has_value());
  document.erase("rope_scaling");
  EXPECT_FALSE(ParseOrDie(document).rope_scaling.has_value());
  document["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", 10000.0}};
  EXPECT_FALSE(ParseOrDie(document).rope_scaling.has_value());
}

TEST(ModelConfig, YarnDefaultsAreTheReferences) {
  json document = SmallConfig();
  document["rope_scaling"] = {
      {"type", "yarn"}, {"factor", 4}, {"original_max_position_embeddings", 100}};
  const auto scaling = ParseOrDie(document).rope_scaling;
  ASSERT_TRUE(scaling.has_value());
  EXPECT_EQ(scaling->beta_fast, 32.0);
  EXPECT_EQ(scaling->beta_slow, 1.0);
  EXPECT_EQ(scaling->mscale, 1.0);
  EXPECT_EQ(scaling->mscale_all_dim, 0.0);
}

TEST(ModelConfig, MissingKeysAreNamed) {
  for (const char* key :
       {"model_type", "hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size",
        "intermediate_size", "max_position_embeddings", "kv_lora_rank", "q_lora_rank",
        "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim", "n_routed_experts",
        "num_experts_per_tok", "moe_intermediate_size", "first_k_dense_replace", "topk_method",
        "rms_norm_eps", "rope_theta"}) {
    json document = SmallConfig();
    document.erase(key);
    EXPECT_THAT(MessageOf(Parse(document)),
                StartsWith(std::string("dir/config.json: ") + key + " is missing"));
  }
}

TEST(ModelConfig, SizesOutOfRangeAreNamed) {
  for (const char* key :
       {"hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size",
        "intermediate_size", "max_position_embeddings", "kv_lora_rank", "q_lora_rank",
        "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim", "n_routed_experts",
        "num_experts_per_tok", "moe_intermediate_size", "moe_layer_freq"}) {
    for (const json& value : {json(0), json(-1), json(1LL << 40), json(1ULL << 63), json(1.5),
                              json("8"), json(true), json::array({1})}) {
      EXPECT_THAT(ErrorWith(key, value),
                  StartsWith(std::string("dir/config.json: ") + key + " must be an integer from "));
    }
  }
}

TEST(ModelConfig, WhatIsNotComputedIsRefused) {
  EXPECT_THAT(ErrorWith("model_type", "llama"),
              HasSubstr("model_type is not supported unless it is \"deepseek_v2\""));
  EXPECT_THAT(ErrorWith("hidden_act", "gelu"), HasSubstr("\"silu\""));
  EXPECT_THAT(ErrorWith("attention_bias", true), HasSubstr("attention_bias"));
  EXPECT_THAT(ErrorWith("mlp_bias", true), HasSubstr("mlp_bias"));
  EXPECT_THAT(ErrorWith("scoring_func", "sigmoid"), HasSubstr("\"softmax\""));
  EXPECT_THAT(ErrorWith("topk_method", "noaux_tc"), HasSubstr("\"noaux_tc\" is not supported"));
  EXPECT_THAT(ErrorWith("quantization_config", {{"bits", 8}}), HasSubstr("quantization_config"));
  EXPECT_THAT(ErrorWith("torch_dtype", "int8"), HasSubstr("torch_dtype \"int8\""));
  EXPECT_THAT(ErrorWith("num_key_value_heads", 1), HasSubstr("num_key_value_heads"));
  EXPECT_THAT(ErrorWith("rope_scaling", {{"type", "linear"}, {"factor", 2}}),
              HasSubstr("rope_scaling.type \"linear\" is not supported"));
  EXPECT_THAT(ErrorWith("rope_scaling", 4), HasSubstr("rope_scaling must be a JSON object"));
}

TEST(ModelConfig, ValuesThatDoNotFitEachOtherAreRefused) {
  EXPECT_THAT(ErrorWith("qk_rope_head_dim", 5), HasSubstr("must be even"));
  EXPECT_THAT(ErrorWith("num_experts_per_tok", 9), HasSubstr("above the 8 experts"));
  EXPECT_THAT(ErrorWith("bos_token_id", 50), HasSubstr("bos_token_id"));
  EXPECT_THAT(ErrorWith("eos_token_id", {1, -1}), HasSubstr("eos_token_id"));

  json grouped = SmallConfig();
  grouped["topk_method"] = "group_limited_greedy";
  grouped["n_group"] = 3;
  EXPECT_THAT(MessageOf(Parse(grouped)), HasSubstr("n_group 3 does not divide"));
  grouped["n_group"] = 4;
  grouped["topk_group"] = 5;
  EXPECT_THAT(MessageOf(Parse(grouped)), HasSubstr("topk_group 5 is above n_group 4"));
  grouped["topk_group"] = 1;
  EXPECT_THAT(MessageOf(Parse(grouped)), HasSubstr("above the 2 experts"));
}

TEST(ModelConfig, BrokenTextGivesLineOrKey) {
  EXPECT_THAT(MessageOf(ParseModelConfig("{\n \"a\": }", "c.json")), HasSubstr("line 2"));
  EXPECT_THAT(MessageOf(ParseModelConfig("[]", "c.json")), HasSubstr("must be a JSON object"));
  EXPECT_THAT(MessageOf(ParseModelConfig(R"({"a": 1, "a": 2})", "c.json")),
              HasSubstr("\"a\" occurs twice"));
  EXPECT_THAT(MessageOf(ParseModelConfig(R"({"a": 1e999})", "c.json")),
              HasSubstr("c.json: is not valid JSON"));
  const std::string broken =
      MessageOf(ParseModelConfig("{\"" + std::string(5000, 'x') + "\xE4\n", "c.json"));
  EXPECT_THAT(broken, HasSubstr(R"(last read: '...xxxxx)"));
  EXPECT_THAT(broken, HasSubstr(R"(\344)"));
  EXPECT_LT(broken.size(), 250U);
  const std::string deep = std::string(5000, '[') + std::string(5000, ']');
  EXPECT_THAT(MessageOf(ParseModelConfig(deep, "c.json")), HasSubstr("nested deeper"));
}

TEST(ModelConfig, ReadsADirectoryOrAFile) {
  const TempDir dir;
  EXPECT_EQ(ReadModelConfig(dir.path()).status().code(), absl::StatusCode::kNotFound);
  dir.Write("config.json", SmallConfig().dump());
  EXPECT_TRUE(ReadModelConfig(dir.path()).ok());
  EXPECT_TRUE(ReadModelConfig(dir.File("config.json")).ok());
  dir.Write("config.json", std::string(2 << 20, ' '));
  EXPECT_THAT(MessageOf(ReadModelConfig(dir.path())), HasSubstr("at most"));
}

TEST(ModelConfig, ReadsTheBenchmarkShape) {
  const auto config =
      ReadModelConfig(std::string(SEXTANT_SOURCE_DIR) + "/tests/benchmark/lite6.json");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->num_hidden_layers, 6);
}

TEST(ModelConfig, ReadsThePublishedFiles) {
  const std::string model = SharedData("model/config.json");
  SEXTANT_SKIP_WITHOUT_SHARED(model);
  const auto lite = ReadModelConfig(model);
  ASSERT_TRUE(lite.ok()) << lite.status();
  EXPECT_EQ(lite->num_hidden_layers, 27);
  EXPECT_EQ(lite->cache_row_dim(), 576);
  EXPECT_EQ(lite->shared_intermediate_size(), 2816);
  for (const char* golden : {"model/golden/lite", "model/golden/v2"}) {
    EXPECT_TRUE(ReadModelConfig(SharedData(golden)).ok()) << golden;
  }
}

}  // namespace
}  // namespace sextant
