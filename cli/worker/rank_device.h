// One GPU of several, opened: its network, what the control plane does to it, and its half or
// halves of the model.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "cli/engine/device_model.h"
#include "cli/engine/device_rank.h"
#include "cli/worker/rank_control.h"
#include "common/exchange/nccl_module/nccl_network.h"
#include "common/exchange/ranks/rank_network.h"
#include "common/observability/log.h"
#include "common/tensor/precision.h"
#include "proto/sextant/v1/placement.pb.h"

namespace sextant::cli {

inline constexpr char kRankProfile[] = "cuda";

// OpenNccl, or what stands in for it.
using OpenNetwork = std::function<absl::StatusOr<std::unique_ptr<RankNetwork>>()>;

struct RankDevice {
  v1::Role role = v1::ROLE_COLOCATED;
  int gpu = 0;                    // its number, as OpenCuda counts
  std::int64_t memory_bytes = 0;  // of the GPU's; 0: what is free
  int expert_slots = 0;           // of one that holds experts: its room; 0: for all of the model
  int most_ranks = 8;             // of an epoch; the same for all ranks of a cluster
  OpenGpu open_gpu = OpenCuda;
  OpenNetwork open_network = OpenNccl;
};

struct RankDeviceArgs {
  const ModelConfig& config;     // this and the next outlive the rank
  const Checkpoint& checkpoint;  // fits `config`
  Logger log;
  int threads = 1;  // that read weights
  Precision precision = Precision::kBf16;
  std::int64_t cache_tokens = 0;  // of one that attends; 0: all that there is room for
  std::int64_t max_batch_tokens = 0;
  std::int64_t max_sequences = 0;
};

// In the order of their construction.
struct OpenedRank {
  std::string layout;  // Hello.rank_layout
  std::unique_ptr<RankNetwork> network;
  std::unique_ptr<RankControl> control;
  std::unique_ptr<DeviceRank> rank;
};

// Errors: InvalidArgument where no GPU computes such a model or the role is none of a rank; those
// of OpenCuda, OpenNccl and DeviceRank::Open.
[[nodiscard]] absl::StatusOr<OpenedRank> OpenRankDevice(const RankDeviceArgs& args,
                                                        const RankDevice& device);

}  // namespace sextant::cli
