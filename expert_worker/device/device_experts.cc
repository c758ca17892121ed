#include "expert_worker/device/device_experts.h"

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"

namespace sextant {
namespace {

// Where the numbers of these matrices begin among all that one seed gives (attention_worker/device/
// device_weights.cc has those from 0 on).
constexpr std::uint64_t kFirstSeed = std::uint64_t{1} << 24;

float DeviationFor(std::int64_t inputs) {
  return static_cast<float>(1.0 / std::sqrt(static_cast<double>(inputs)));
}

}  // namespace

std::vector<DeviceExperts::LayerExperts> DeviceExperts::Carve(const ModelConfig& config,
                                                              std::int64_t experts,
                                                              ArenaCarver& carver) {
  const std::int64_t values = config.moe_intermediate_size * config.hidden_size;
  std::vector<LayerExperts> layers(static_cast<std::size_t>(config.num_hidden_layers));
  for (std::int64_t i = 0; i < config.num_hidden_layers; ++i) {
    if (!config.IsMoeLayer(i)) continue;
    LayerExperts& layer = layers[static_cast<std::size_t>(i)];
    layer.list = carver.Take<ExpertWeightsCuda>(experts);
    for (std::int64_t e = 0; e < experts; ++e) {
      layer.experts.push_back({.gate = carver.Take<Bf16>(values),
                               .up = carver.Take<Bf16>(values),
                               .down = carver.Take<Bf16>(values)});
    }
  }
  return layers;
}

std::int64_t DeviceExperts::Bytes(const ModelConfig& config, std::int64_t experts) {
  ArenaCarver counting(nullptr);
  Carve(config, experts, counting);
  return counting.bytes();
}

absl::StatusOr<DeviceExperts> DeviceExperts::Allocate(GpuDriver& gpu, const ModelConfig& config,
                                                      std::vector<std::int32_t> experts) {
  const auto count = static_cast<std::int64_t>(experts.size());
  DeviceExperts held(config, std::move(experts));
  ASSIGN_OR_RETURN(held.memory_, GpuMemory::Allocate(gpu, GpuMemory::Place::kDevice,
                                                     Bytes(config, count), "the routed experts"));
  ArenaCarver carver(held.memory_.data());
  held.layers_ = Carve(config, count, carver);
  return held;
}

absl::Status DeviceExperts::UploadLists(DeviceUpload& upload) {
  for (const LayerExperts& layer : layers_) {
    std::vector<ExpertWeightsCuda> list;
    for (const Matrices& expert : layer.experts) {
      list.push_back({.gate = expert.gate, .up = expert.up, .down = expert.down});
    }
    const auto bytes = static_cast<std::int64_t>(list.size() * sizeof(ExpertWeightsCuda));
    RETURN_IF_ERROR(upload.Add(layer.list, list.data(), bytes));
  }
  return absl::OkStatus();
}

absl::Status DeviceExperts::Upload(const ExpertStore& store, DeviceUpload& upload) {
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const std::vector<Matrices>& experts = layers_[i].experts;
    for (std::size_t e = 0; e < experts.size(); ++e) {
      const FeedForwardWeights* from = store.Find(static_cast<int>(i), ids_[e]);
      if (from == nullptr) {
        return absl::NotFoundError(
            absl::StrCat("expert ", ids_[e], " of layer ", i, " is not in the store"));
      }
      RETURN_IF_ERROR(upload.Add(experts[e].gate, from->gate));
      RETURN_IF_ERROR(upload.Add(experts[e].up, from->up));
      RETURN_IF_ERROR(upload.Add(experts[e].down, from->down));
    }
  }
  return UploadLists(upload);
}

absl::Status DeviceExperts::FillRandom(GpuDriver& gpu, const CudaKernels& kernels,
                                       std::uint64_t seed, DeviceUpload& upload) {
  ASSIGN_OR_RETURN(const GpuStream stream, GpuStream::Create(gpu));
  std::uint64_t next_seed = (seed << 32) + kFirstSeed;
  const auto fill = [&](Bf16* values, std::int64_t inputs) {
    return ToStatus(kernels.fill_normal(stream.handle(), {.values = values,
                                                          .count = width_ * hidden_,
                                                          .deviation = DeviationFor(inputs),
                                                          .seed = next_seed++}),
                    "filling experts with random values");
  };
  for (const LayerExperts& layer : layers_) {
    for (const Matrices& expert : layer.experts) {
      RETURN_IF_ERROR(fill(expert.gate, hidden_));
      RETURN_IF_ERROR(fill(expert.up, hidden_));
      RETURN_IF_ERROR(fill(expert.down, width_));
    }
  }
  RETURN_IF_ERROR(UploadLists(upload));
  return stream.Synchronize();
}

const ExpertWeightsCuda* DeviceExperts::Layer(int layer) const {
  if (layer < 0 || static_cast<std::size_t>(layer) >= layers_.size()) return nullptr;
  return layers_[static_cast<std::size_t>(layer)].list;
}

}  // namespace sextant
