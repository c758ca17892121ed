#include "expert_worker/device/device_experts.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
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

DeviceExperts::Layers DeviceExperts::Carve(const ModelConfig& config, std::int64_t slots,
                                           ArenaCarver& carver) {
  const std::int64_t values = config.moe_intermediate_size * config.hidden_size;
  Layers layers(static_cast<std::size_t>(config.num_hidden_layers));
  for (std::int64_t i = 0; i < config.num_hidden_layers; ++i) {
    if (!config.IsMoeLayer(i)) continue;
    for (std::int64_t slot = 0; slot < slots; ++slot) {
      layers[static_cast<std::size_t>(i)].push_back({.gate = carver.Take<Bf16>(values),
                                                     .up = carver.Take<Bf16>(values),
                                                     .down = carver.Take<Bf16>(values)});
    }
  }
  return layers;
}

std::int64_t DeviceExperts::Bytes(const ModelConfig& config, std::int64_t slots) {
  ArenaCarver counting(nullptr);
  Carve(config, slots, counting);
  return counting.bytes();
}

absl::StatusOr<std::unique_ptr<DeviceExperts>> DeviceExperts::Allocate(GpuDriver& gpu,
                                                                       const ModelConfig& config,
                                                                       int slots) {
  CHECK_GE(slots, 0);
  std::unique_ptr<DeviceExperts> experts(new DeviceExperts(config, slots));
  ASSIGN_OR_RETURN(experts->memory_,
                   GpuMemory::Allocate(gpu, GpuMemory::Place::kDevice, Bytes(config, slots),
                                       "the routed experts"));
  ArenaCarver carver(experts->memory_.data());
  experts->layers_ = Carve(config, slots, carver);
  return experts;
}

absl::StatusOr<std::vector<DeviceExperts::Arrival>> DeviceExperts::Place(
    absl::Span<const std::int32_t> experts) const {
  const MutexLock lock(mutex_);
  std::set<std::int32_t> missing;
  for (const std::int32_t expert : experts) {
    if (expert < 0 || expert >= config_.n_routed_experts) {
      return absl::InvalidArgumentError(
          absl::StrCat("expert ", expert, " is outside [0, ", config_.n_routed_experts, ")"));
    }
    if (!Find(expert).has_value()) missing.insert(expert);
  }
  std::vector<int> free;
  for (int slot = 0; slot < slots_; ++slot) {
    if (held_[static_cast<std::size_t>(slot)] == kNone) free.push_back(slot);
  }
  if (missing.size() > free.size()) {
    return absl::ResourceExhaustedError(
        absl::StrCat(missing.size(), " more experts are to come to a GPU with ", slots_,
                     " slots for experts, of which ", free.size(),
                     " are free; raise expert_slots: experts of two placements are there together "
                     "while one follows the other"));
  }
  std::vector<Arrival> arrivals;
  for (const std::int32_t expert : missing) {
    arrivals.push_back({.expert = expert, .slot = free[arrivals.size()]});
  }
  return arrivals;
}

absl::StatusOr<std::int64_t> DeviceExperts::Upload(const Arrival& arrival, const ExpertStore& store,
                                                   DeviceUpload& upload) {
  std::int64_t bytes = 0;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    if (layers_[i].empty()) continue;
    const FeedForwardWeights* from = store.Find(static_cast<int>(i), arrival.expert);
    if (from == nullptr) {
      return absl::NotFoundError(
          absl::StrCat("expert ", arrival.expert, " of layer ", i, " is not in the store"));
    }
    const Matrices& to = layers_[i][static_cast<std::size_t>(arrival.slot)];
    RETURN_IF_ERROR(upload.Add(to.gate, from->gate));
    RETURN_IF_ERROR(upload.Add(to.up, from->up));
    RETURN_IF_ERROR(upload.Add(to.down, from->down));
    bytes += from->gate.bytes() + from->up.bytes() + from->down.bytes();
  }
  return bytes;
}

absl::StatusOr<std::int64_t> DeviceExperts::Load(absl::Span<const std::int32_t> experts,
                                                 const ExpertStore& store, DeviceUpload& upload) {
  ASSIGN_OR_RETURN(const std::vector<Arrival> arrivals, Place(experts));
  if (arrivals.empty()) return 0;
  std::int64_t bytes = 0;
  absl::Status added;
  for (const Arrival& arrival : arrivals) {
    const absl::StatusOr<std::int64_t> of_one = Upload(arrival, store, upload);
    added = of_one.status();
    if (!added.ok()) break;
    bytes += *of_one;
  }
  // Also after an error: what is on its way must not arrive in a slot that has got another expert.
  const absl::Status arrived = upload.Finish().status();
  RETURN_IF_ERROR(added);
  RETURN_IF_ERROR(arrived);
  const MutexLock lock(mutex_);
  for (const Arrival& arrival : arrivals) {
    held_[static_cast<std::size_t>(arrival.slot)] = arrival.expert;
  }
  return bytes;
}

void DeviceExperts::Drop(absl::Span<const std::int32_t> experts) {
  const MutexLock lock(mutex_);
  for (const std::int32_t expert : experts) {
    const std::optional<int> slot = Find(expert);
    if (slot.has_value()) held_[static_cast<std::size_t>(*slot)] = kNone;
  }
}

absl::Status DeviceExperts::FillRandom(GpuDriver& gpu, const CudaKernels& kernels,
                                       std::uint64_t seed) {
  CHECK_LE(slots_, config_.n_routed_experts);
  const std::int64_t hidden = config_.hidden_size;
  const std::int64_t width = config_.moe_intermediate_size;
  ASSIGN_OR_RETURN(const GpuStream stream, GpuStream::Create(gpu));
  std::uint64_t next_seed = (seed << 32) + kFirstSeed;
  const auto fill = [&](Bf16* values, std::int64_t inputs) {
    return ToStatus(kernels.fill_normal(stream.handle(), {.values = values,
                                                          .count = width * hidden,
                                                          .deviation = DeviationFor(inputs),
                                                          .seed = next_seed++}),
                    "filling experts with random values");
  };
  for (const std::vector<Matrices>& layer : layers_) {
    for (const Matrices& expert : layer) {
      RETURN_IF_ERROR(fill(expert.gate, hidden));
      RETURN_IF_ERROR(fill(expert.up, hidden));
      RETURN_IF_ERROR(fill(expert.down, width));
    }
  }
  RETURN_IF_ERROR(stream.Synchronize());
  const MutexLock lock(mutex_);
  for (std::size_t slot = 0; slot < held_.size(); ++slot) {
    held_[slot] = static_cast<std::int32_t>(slot);
  }
  return absl::OkStatus();
}

std::vector<std::int32_t> DeviceExperts::Ids() const {
  std::vector<std::int32_t> ids;
  const MutexLock lock(mutex_);
  for (const std::int32_t expert : held_) {
    if (expert != kNone) ids.push_back(expert);
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

std::optional<int> DeviceExperts::SlotOf(std::int32_t expert) const {
  const MutexLock lock(mutex_);
  return Find(expert);
}

std::optional<int> DeviceExperts::Find(std::int32_t expert) const {
  const auto found = std::find(held_.begin(), held_.end(), expert);
  if (expert == kNone || found == held_.end()) return std::nullopt;
  return static_cast<int>(found - held_.begin());
}

ExpertWeightsCuda DeviceExperts::At(int layer, int slot) const {
  const Matrices& matrices =
      layers_[static_cast<std::size_t>(layer)][static_cast<std::size_t>(slot)];
  return {.gate = matrices.gate, .up = matrices.up, .down = matrices.down};
}

}  // namespace sextant
