#include "attention_worker/device/device_weights.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "attention_worker/model/rope_parameters.h"
#include "common/weights/checkpoint.h"
#include "kernels/rope/yarn.h"
#include "tests/golden/golden_model.h"
#include "tests/support/device/device_memory.h"
#include "tests/support/device/read_device.h"
#include "tests/support/device/test_gpu.h"
#include "tests/support/device/values.h"

namespace sextant {
namespace {

// The values of a weight on the host.
std::vector<Bf16> ValuesOf(const WeightView& weight) {
  std::vector<Bf16> values(static_cast<std::size_t>(weight.rows * weight.cols));
  std::memcpy(values.data(), weight.data, values.size() * sizeof(Bf16));
  return values;
}

std::vector<Bf16> Transposed(const std::vector<Bf16>& values, std::int64_t rows,
                             std::int64_t cols) {
  std::vector<Bf16> transposed;
  for (std::int64_t c = 0; c < cols; ++c) {
    for (std::int64_t r = 0; r < rows; ++r) {
      transposed.push_back(values[static_cast<std::size_t>(r * cols + c)]);
    }
  }
  return transposed;
}

double DeviationOf(const std::vector<Bf16>& values) {
  double squares = 0;
  for (const Bf16 value : values) squares += std::pow(static_cast<double>(ToFloat(value)), 2);
  return std::sqrt(squares / static_cast<double>(values.size()));
}

// Golden models: "lite" has one q_proj, "v2" queries of low rank.
class DeviceWeightsTest : public DeviceTest {
 protected:
  void SetUp() override {
    DeviceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    backend_ = OpenTestGpu();
  }

  GpuDriver& gpu() { return *backend_.gpu; }

  DeviceWeights Allocate(const ModelConfig& config) {
    auto weights = DeviceWeights::Allocate(gpu(), config);
    EXPECT_TRUE(weights.ok()) << weights.status();
    return *std::move(weights);
  }

  std::unique_ptr<DeviceUpload> Upload() {
    auto upload = DeviceUpload::Create(gpu(), {.threads = 2, .staging_bytes = 1 << 20});
    EXPECT_TRUE(upload.ok()) << upload.status();
    return *std::move(upload);
  }

  void ExpectThere(const Bf16* on_device, const WeightView& weight, const std::string& name) {
    SCOPED_TRACE(name);
    ASSERT_NE(on_device, nullptr);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(on_device) % 256, 0U);
    EXPECT_EQ(ReadDevice(gpu(), on_device, weight.rows * weight.cols), ValuesOf(weight));
  }

  void ExpectMlp(const DeviceLayerWeights& layer, const FeedForwardWeights& wanted) {
    ASSERT_TRUE(layer.has_mlp());
    EXPECT_EQ(layer.mlp_width, wanted.gate.rows);
    ExpectThere(layer.mlp_gate, wanted.gate, "gate");
    ExpectThere(layer.mlp_up, wanted.up, "up");
    ExpectThere(layer.mlp_down, wanted.down, "down");
    const ExpertWeightsCuda listed = ReadDevice(gpu(), layer.mlp, 1).front();
    EXPECT_EQ(listed.gate, layer.mlp_gate);
    EXPECT_EQ(listed.up, layer.mlp_up);
    EXPECT_EQ(listed.down, layer.mlp_down);
  }

  // The two parts of kv_b as decode takes them.
  void ExpectHeads(const ModelConfig& config, const DeviceWeights& weights,
                   const DeviceLayerWeights& layer, const std::vector<Bf16>& kv_b) {
    const std::int64_t nope = config.qk_nope_head_dim;
    const std::int64_t rank = config.kv_lora_rank;
    const std::int64_t head_values = (nope + config.v_head_dim) * rank;
    EXPECT_EQ(weights.uv_head_stride, head_values);
    const auto part = [&kv_b](std::int64_t begin, std::int64_t count) {
      return std::vector<Bf16>(kv_b.begin() + begin, kv_b.begin() + begin + count);
    };
    for (std::int64_t head = 0; head < config.num_attention_heads; ++head) {
      EXPECT_EQ(ReadDevice(gpu(), layer.uk_transposed + head * rank * nope, rank * nope),
                Transposed(part(head * head_values, nope * rank), nope, rank))
          << head;
      EXPECT_EQ(
          ReadDevice(gpu(), layer.uv + head * weights.uv_head_stride, config.v_head_dim * rank),
          part(head * head_values + nope * rank, config.v_head_dim * rank))
          << head;
    }
  }

  void ExpectLayer(const ModelConfig& config, const DeviceWeights& weights, std::size_t index,
                   const AttentionLayerWeights& wanted) {
    SCOPED_TRACE(index);
    const DeviceLayerWeights& layer = weights.layers[index];
    ExpectThere(layer.input_layernorm, wanted.input_layernorm, "input_layernorm");
    if (wanted.low_rank_query.has_value()) {
      EXPECT_EQ(layer.q_proj, nullptr);
      ExpectThere(layer.q_a_proj, wanted.low_rank_query->q_a_proj, "q_a_proj");
      ExpectThere(layer.q_a_layernorm, wanted.low_rank_query->q_a_layernorm, "q_a_layernorm");
      ExpectThere(layer.q_b_proj, wanted.low_rank_query->q_b_proj, "q_b_proj");
    } else {
      EXPECT_EQ(layer.q_b_proj, nullptr);
      ExpectThere(layer.q_proj, wanted.q_proj, "q_proj");
    }
    ExpectThere(layer.kv_a_proj, wanted.kv_a_proj, "kv_a_proj");
    ExpectThere(layer.kv_a_layernorm, wanted.kv_a_layernorm, "kv_a_layernorm");
    ExpectThere(layer.kv_b_proj, wanted.kv_b_proj, "kv_b_proj");
    ExpectHeads(config, weights, layer, ValuesOf(wanted.kv_b_proj));
    ExpectThere(layer.o_proj, wanted.o_proj, "o_proj");
    ExpectThere(layer.post_attention_layernorm, wanted.post_attention_layernorm, "post");
    EXPECT_EQ(layer.is_moe(), wanted.is_moe());
    if (wanted.is_moe()) ExpectThere(layer.gate, wanted.gate, "router");
    ExpectMlp(layer, wanted.mlp);
  }

  void ExpectRotaryTables(const ModelConfig& config, const DeviceWeights& weights) {
    const RopeTable rope = *RopeTable::Create(RopeParametersOf(config));
    const std::int64_t count = config.max_position_embeddings;
    const std::int64_t pairs = config.qk_rope_head_dim / 2;
    std::vector<std::int64_t> positions(static_cast<std::size_t>(count));
    std::iota(positions.begin(), positions.end(), 0);
    std::vector<float> cos(static_cast<std::size_t>(count * pairs));
    std::vector<float> sin(cos.size());
    rope.Rows(positions, Precision::kBf16, {cos.data(), count, pairs}, {sin.data(), count, pairs});
    EXPECT_EQ(Widened(ReadDevice(gpu(), weights.cos, count * pairs)), cos);
    EXPECT_EQ(Widened(ReadDevice(gpu(), weights.sin, count * pairs)), sin);
  }

  CudaBackend backend_;
};

TEST_F(DeviceWeightsTest, EveryTensorOfACheckpointArrives) {
  for (const std::string name : {"lite", "v2"}) {
    SCOPED_TRACE(name);
    ModelConfig config = *ReadModelConfig(GoldenModelFolder(name));
    config.max_position_embeddings = 5000;  // a long table takes long to compute twice
    const Checkpoint checkpoint = *Checkpoint::Open(GoldenModelFolder(name));
    WeightLoader loader(checkpoint, Precision::kBf16);
    const AttentionWeights wanted = *AttentionWeights::Load(config, loader);
    DeviceWeights weights = Allocate(config);
    EXPECT_EQ(weights.memory.bytes(), DeviceWeights::Bytes(config).total());
    const auto upload = Upload();
    const absl::Status uploaded = weights.Upload(config, wanted, *upload);
    ASSERT_TRUE(uploaded.ok()) << uploaded;
    ASSERT_TRUE(upload->Finish().ok());

    ExpectThere(weights.embed_tokens, wanted.embed_tokens, "embed_tokens");
    ExpectThere(weights.norm, wanted.norm, "norm");
    ExpectThere(weights.lm_head, wanted.lm_head, "lm_head");
    ASSERT_EQ(weights.layers.size(), wanted.layers.size());
    for (std::size_t i = 0; i < weights.layers.size(); ++i) {
      ExpectLayer(config, weights, i, wanted.layers[i]);
    }
    ExpectRotaryTables(config, weights);
  }
}

TEST_F(DeviceWeightsTest, ATiedHeadIsTheEmbedding) {
  ModelConfig config = *ReadModelConfig(GoldenModelFolder("lite"));
  const DeviceWeightBytes apart = DeviceWeights::Bytes(config);
  config.tie_word_embeddings = true;
  const DeviceWeights weights = Allocate(config);
  EXPECT_EQ(weights.lm_head, weights.embed_tokens);
  EXPECT_EQ(DeviceWeights::Bytes(config).head, 0);
  EXPECT_EQ(apart.total() - DeviceWeights::Bytes(config).total(), apart.embedding);
}

TEST_F(DeviceWeightsTest, RandomWeightsAreOfTheSeedAndFitEachOther) {
  ModelConfig config = *ReadModelConfig(GoldenModelFolder("v2"));
  config.max_position_embeddings = 8;
  std::vector<std::vector<Bf16>> embeddings;
  for (const std::uint64_t seed : {1U, 1U, 2U}) {
    DeviceWeights weights = Allocate(config);
    const auto upload = Upload();
    const absl::Status filled = weights.FillRandom(config, gpu(), *backend_.kernels, seed, *upload);
    ASSERT_TRUE(filled.ok()) << filled;
    ASSERT_TRUE(upload->Finish().ok());
    const std::int64_t table = config.vocab_size * config.hidden_size;
    embeddings.push_back(ReadDevice(gpu(), weights.embed_tokens, table));
    EXPECT_NE(ReadDevice(gpu(), weights.lm_head, table), embeddings.back());

    const std::vector<Bf16> ones(static_cast<std::size_t>(config.hidden_size), ToBf16(1.0F));
    EXPECT_EQ(ReadDevice(gpu(), weights.norm, config.hidden_size), ones);
    ExpectRotaryTables(config, weights);
    for (const DeviceLayerWeights& layer : weights.layers) {
      EXPECT_EQ(ReadDevice(gpu(), layer.input_layernorm, config.hidden_size), ones);
      const std::int64_t width =
          config.num_attention_heads * (config.qk_nope_head_dim + config.v_head_dim);
      const std::vector<Bf16> kv_b =
          ReadDevice(gpu(), layer.kv_b_proj, width * config.kv_lora_rank);
      ExpectHeads(config, weights, layer, kv_b);
      EXPECT_NEAR(DeviationOf(kv_b) * std::sqrt(static_cast<double>(config.kv_lora_rank)), 1.0,
                  5.0 / std::sqrt(2.0 * static_cast<double>(kv_b.size())) + 0.002);
      EXPECT_EQ(ReadDevice(gpu(), layer.mlp, 1).front().down, layer.mlp_down);
    }
  }
  EXPECT_EQ(embeddings[0], embeddings[1]);
  EXPECT_NE(embeddings[0], embeddings[2]);
}

}  // namespace
}  // namespace sextant
