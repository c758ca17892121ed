#include "attention_worker/device/device_weights.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "attention_worker/model/rope_parameters.h"
#include "common/base/check.h"
#include "common/base/status.h"
#include "common/device/arena_carver.h"
#include "kernels/rope/yarn.h"

namespace sextant {
namespace {

constexpr std::int64_t kRotaryRows = 4096;  // computed and uploaded at a time

// A tensor of one layer that has a counterpart in the checkpoint.
struct LayerTensor {
  Bf16* DeviceLayerWeights::*place;
  std::int64_t rows;  // 1: the weight of a norm
  std::int64_t cols;
  std::int64_t DeviceWeightBytes::*region;
  WeightView (*of)(const AttentionLayerWeights& layer);
};

void AddQuery(const ModelConfig& config, std::vector<LayerTensor>& tensors) {
  using Device = DeviceLayerWeights;
  using Host = AttentionLayerWeights;
  constexpr auto kRegion = &DeviceWeightBytes::attention;
  const std::int64_t width = config.num_attention_heads * config.qk_head_dim();
  if (!config.q_lora_rank.has_value()) {
    tensors.push_back({&Device::q_proj, width, config.hidden_size, kRegion,
                       [](const Host& w) { return w.q_proj; }});
    return;
  }
  const std::int64_t rank = *config.q_lora_rank;
  tensors.push_back({&Device::q_a_proj, rank, config.hidden_size, kRegion,
                     [](const Host& w) { return w.low_rank_query->q_a_proj; }});
  tensors.push_back({&Device::q_a_layernorm, 1, rank, &DeviceWeightBytes::norms_and_gates,
                     [](const Host& w) { return w.low_rank_query->q_a_layernorm; }});
  tensors.push_back({&Device::q_b_proj, width, rank, kRegion,
                     [](const Host& w) { return w.low_rank_query->q_b_proj; }});
}

// Of the dense MLP or the shared experts; 0 for a layer with neither.
std::int64_t MlpWidth(const ModelConfig& config, std::int64_t layer) {
  return config.IsMoeLayer(layer) ? config.shared_intermediate_size() : config.intermediate_size;
}

std::vector<LayerTensor> LayerTensors(const ModelConfig& config, std::int64_t layer) {
  using Device = DeviceLayerWeights;
  using Host = AttentionLayerWeights;
  constexpr auto kAttention = &DeviceWeightBytes::attention;
  constexpr auto kSmall = &DeviceWeightBytes::norms_and_gates;
  const std::int64_t hidden = config.hidden_size;
  const std::int64_t heads = config.num_attention_heads;
  const std::int64_t rank = config.kv_lora_rank;
  std::vector<LayerTensor> tensors = {{&Device::input_layernorm, 1, hidden, kSmall,
                                       [](const Host& w) { return w.input_layernorm; }}};
  AddQuery(config, tensors);
  tensors.push_back({&Device::kv_a_proj, config.cache_row_dim(), hidden, kAttention,
                     [](const Host& w) { return w.kv_a_proj; }});
  tensors.push_back(
      {&Device::kv_a_layernorm, 1, rank, kSmall, [](const Host& w) { return w.kv_a_layernorm; }});
  tensors.push_back({&Device::kv_b_proj, heads * (config.qk_nope_head_dim + config.v_head_dim),
                     rank, kAttention, [](const Host& w) { return w.kv_b_proj; }});
  tensors.push_back({&Device::o_proj, hidden, heads * config.v_head_dim, kAttention,
                     [](const Host& w) { return w.o_proj; }});
  tensors.push_back({&Device::post_attention_layernorm, 1, hidden, kSmall,
                     [](const Host& w) { return w.post_attention_layernorm; }});
  const bool moe = config.IsMoeLayer(layer);
  if (moe) {
    tensors.push_back({&Device::gate, config.n_routed_experts, hidden, kSmall,
                       [](const Host& w) { return w.gate; }});
  }
  if (const std::int64_t width = MlpWidth(config, layer); width > 0) {
    const auto region = moe ? &DeviceWeightBytes::shared_experts : &DeviceWeightBytes::dense;
    tensors.push_back(
        {&Device::mlp_gate, width, hidden, region, [](const Host& w) { return w.mlp.gate; }});
    tensors.push_back(
        {&Device::mlp_up, width, hidden, region, [](const Host& w) { return w.mlp.up; }});
    tensors.push_back(
        {&Device::mlp_down, hidden, width, region, [](const Host& w) { return w.mlp.down; }});
  }
  return tensors;
}

// Every pointer of `weights` but `memory`, in the memory of the carver.
DeviceWeightBytes LayOut(const ModelConfig& config, ArenaCarver& carver, DeviceWeights& weights) {
  DeviceWeightBytes bytes;
  const std::int64_t table = config.vocab_size * config.hidden_size;
  const std::int64_t head_values = config.kv_lora_rank * config.qk_nope_head_dim;
  weights.embed_tokens = carver.Take<Bf16>(table, &bytes.embedding);
  for (std::int64_t i = 0; i < config.num_hidden_layers; ++i) {
    DeviceLayerWeights layer{};
    for (const LayerTensor& tensor : LayerTensors(config, i)) {
      layer.*tensor.place = carver.Take<Bf16>(tensor.rows * tensor.cols, &(bytes.*tensor.region));
    }
    layer.uk_transposed =
        carver.Take<Bf16>(config.num_attention_heads * head_values, &bytes.attention);
    if (layer.kv_b_proj != nullptr) layer.uv = layer.kv_b_proj + head_values;
    layer.mlp_width = MlpWidth(config, i);
    layer.mlp = carver.Take<ExpertWeightsCuda>(layer.mlp_width > 0 ? 1 : 0, &bytes.norms_and_gates);
    weights.layers.push_back(layer);
  }
  weights.norm = carver.Take<Bf16>(config.hidden_size, &bytes.norms_and_gates);
  weights.lm_head =
      config.tie_word_embeddings ? weights.embed_tokens : carver.Take<Bf16>(table, &bytes.head);
  const std::int64_t angles = config.max_position_embeddings * config.qk_rope_head_dim / 2;
  weights.cos = carver.Take<Bf16>(angles, &bytes.norms_and_gates);
  weights.sin = carver.Take<Bf16>(angles, &bytes.norms_and_gates);
  weights.uv_head_stride = config.kv_lora_rank * (config.qk_nope_head_dim + config.v_head_dim);
  return bytes;
}

absl::Status UploadTransposedKeys(const ModelConfig& config, const WeightView& kv_b,
                                  Bf16* uk_transposed, DeviceUpload& upload) {
  const std::int64_t nope = config.qk_nope_head_dim;
  for (std::int64_t head = 0; head < config.num_attention_heads; ++head) {
    const WeightView uk = kv_b.Rows(head * (nope + config.v_head_dim), nope);
    RETURN_IF_ERROR(upload.AddTransposed(uk_transposed + head * config.kv_lora_rank * nope, uk));
  }
  return absl::OkStatus();
}

absl::Status UploadMlpPointers(const DeviceLayerWeights& layer, DeviceUpload& upload) {
  if (!layer.has_mlp()) return absl::OkStatus();
  const ExpertWeightsCuda mlp{.gate = layer.mlp_gate, .up = layer.mlp_up, .down = layer.mlp_down};
  return upload.Add(layer.mlp, &mlp, sizeof(mlp));
}

absl::Status UploadLayer(const ModelConfig& config, std::int64_t index,
                         const DeviceLayerWeights& layer, const AttentionLayerWeights& from,
                         DeviceUpload& upload) {
  for (const LayerTensor& tensor : LayerTensors(config, index)) {
    const WeightView weight = tensor.of(from);
    CHECK_EQ(weight.rows, tensor.rows);
    CHECK_EQ(weight.cols, tensor.cols);
    RETURN_IF_ERROR(upload.Add(layer.*tensor.place, weight));
  }
  RETURN_IF_ERROR(UploadTransposedKeys(config, from.kv_b_proj, layer.uk_transposed, upload));
  return UploadMlpPointers(layer, upload);
}

// The rotary tables of all positions.
absl::Status UploadRotary(const ModelConfig& config, const DeviceWeights& weights,
                          DeviceUpload& upload) {
  ASSIGN_OR_RETURN(const RopeTable rope, RopeTable::Create(RopeParametersOf(config)));
  const std::int64_t pairs = config.qk_rope_head_dim / 2;
  const auto bytes_of = [pairs](std::int64_t rows) {
    return rows * pairs * static_cast<std::int64_t>(sizeof(Bf16));
  };
  const auto values = static_cast<std::size_t>(kRotaryRows * pairs);
  std::vector<std::int64_t> positions;
  std::vector<float> angles(2 * values);  // cosines, then sines
  std::vector<Bf16> rounded(2 * values);
  for (std::int64_t first = 0; first < config.max_position_embeddings; first += kRotaryRows) {
    const std::int64_t rows = std::min(kRotaryRows, config.max_position_embeddings - first);
    positions.resize(static_cast<std::size_t>(rows));
    std::iota(positions.begin(), positions.end(), first);
    rope.Rows(positions, Precision::kBf16, {angles.data(), rows, pairs},
              {angles.data() + values, rows, pairs});
    std::transform(angles.begin(), angles.end(), rounded.begin(),
                   [](float value) { return ToBf16(value); });
    RETURN_IF_ERROR(upload.Add(weights.cos + first * pairs, rounded.data(), bytes_of(rows)));
    RETURN_IF_ERROR(
        upload.Add(weights.sin + first * pairs, rounded.data() + values, bytes_of(rows)));
  }
  return absl::OkStatus();
}

// Fills matrices on a stream of its own, each with values of its own.
class RandomFill {
 public:
  RandomFill(const CudaKernels& kernels, GpuStream stream, std::uint64_t seed)
      : kernels_(kernels), stream_(std::move(stream)), seed_(seed << 32) {}

  [[nodiscard]] absl::Status Matrix(Bf16* to, std::int64_t rows, std::int64_t cols) {
    const double deviation = 1.0 / std::sqrt(static_cast<double>(cols));
    return ToStatus(
        kernels_.fill_normal(stream_.handle(), {.values = to,
                                                .count = rows * cols,
                                                .deviation = static_cast<float>(deviation),
                                                .seed = seed_++}),
        "filling weights with random values");
  }

  // What is there, once it is.
  [[nodiscard]] absl::StatusOr<std::vector<Bf16>> Read(const Bf16* from, std::int64_t count) {
    std::vector<Bf16> values(static_cast<std::size_t>(count));
    RETURN_IF_ERROR(ToStatus(stream_.gpu().CopyOut(stream_.handle(), values.data(), from,
                                                   count * static_cast<std::int64_t>(sizeof(Bf16))),
                             "reading random weights"));
    RETURN_IF_ERROR(stream_.Synchronize());
    return values;
  }

  [[nodiscard]] absl::Status Finish() const { return stream_.Synchronize(); }

 private:
  const CudaKernels& kernels_;
  GpuStream stream_;
  std::uint64_t seed_;
};

absl::Status UploadOnes(Bf16* to, std::int64_t count, DeviceUpload& upload) {
  const std::vector<Bf16> ones(static_cast<std::size_t>(count), ToBf16(1.0F));
  return upload.Add(to, ones.data(), count * static_cast<std::int64_t>(sizeof(Bf16)));
}

absl::Status FillLayer(const ModelConfig& config, std::int64_t index,
                       const DeviceLayerWeights& layer, RandomFill& fill, DeviceUpload& upload) {
  for (const LayerTensor& tensor : LayerTensors(config, index)) {
    Bf16* const to = layer.*tensor.place;
    RETURN_IF_ERROR(tensor.rows == 1 ? UploadOnes(to, tensor.cols, upload)
                                     : fill.Matrix(to, tensor.rows, tensor.cols));
  }
  const std::int64_t rank = config.kv_lora_rank;
  const std::int64_t rows =
      config.num_attention_heads * (config.qk_nope_head_dim + config.v_head_dim);
  ASSIGN_OR_RETURN(const std::vector<Bf16> kv_b, fill.Read(layer.kv_b_proj, rows * rank));
  RETURN_IF_ERROR(UploadTransposedKeys(config, {kv_b.data(), DType::kBf16, rows, rank},
                                       layer.uk_transposed, upload));
  return UploadMlpPointers(layer, upload);
}

}  // namespace

DeviceWeightBytes DeviceWeights::Bytes(const ModelConfig& config) {
  ArenaCarver counting(nullptr);
  DeviceWeights unused;
  return LayOut(config, counting, unused);
}

absl::StatusOr<DeviceWeights> DeviceWeights::Allocate(GpuDriver& gpu, const ModelConfig& config) {
  DeviceWeights weights;
  ASSIGN_OR_RETURN(weights.memory,
                   GpuMemory::Allocate(gpu, GpuMemory::Place::kDevice, Bytes(config).total(),
                                       "the weights of the attention half"));
  ArenaCarver carver(weights.memory.data());
  LayOut(config, carver, weights);
  return weights;
}

absl::Status DeviceWeights::Upload(const ModelConfig& config, const AttentionWeights& from,
                                   DeviceUpload& upload) {
  CHECK_EQ(from.layers.size(), layers.size());
  RETURN_IF_ERROR(upload.Add(embed_tokens, from.embed_tokens));
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const absl::Status status =
        UploadLayer(config, static_cast<std::int64_t>(i), layers[i], from.layers[i], upload);
    if (!status.ok()) return AddContext(status, absl::StrCat("layer ", i));
  }
  RETURN_IF_ERROR(upload.Add(norm, from.norm));
  if (!config.tie_word_embeddings) RETURN_IF_ERROR(upload.Add(lm_head, from.lm_head));
  return UploadRotary(config, *this, upload);
}

absl::Status DeviceWeights::FillRandom(const ModelConfig& config, GpuDriver& gpu,
                                       const CudaKernels& kernels, std::uint64_t seed,
                                       DeviceUpload& upload) {
  ASSIGN_OR_RETURN(GpuStream stream, GpuStream::Create(gpu));
  RandomFill fill(kernels, std::move(stream), seed);
  RETURN_IF_ERROR(fill.Matrix(embed_tokens, config.vocab_size, config.hidden_size));
  for (std::size_t i = 0; i < layers.size(); ++i) {
    RETURN_IF_ERROR(FillLayer(config, static_cast<std::int64_t>(i), layers[i], fill, upload));
  }
  RETURN_IF_ERROR(UploadOnes(norm, config.hidden_size, upload));
  if (!config.tie_word_embeddings) {
    RETURN_IF_ERROR(fill.Matrix(lm_head, config.vocab_size, config.hidden_size));
  }
  RETURN_IF_ERROR(UploadRotary(config, *this, upload));
  return fill.Finish();
}

}  // namespace sextant
