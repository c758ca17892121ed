// What lies in the memory of one GPU of the cluster.
//
// Everything is bf16. An attention rank has all of the model but the routed experts, and the latent
// cache of its own sequences; a rank with experts has those of every MoE layer.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "cli/plan/cluster.h"
#include "common/config/model_config.h"

namespace sextant::cli {

// What a GPU has room for beside its weights.
struct MemoryNeeds {
  std::int64_t reserve_bytes =
      0;                          // not ours: the driver's context, kernels, graphs, NCCL's buffers
  std::int64_t step_rows = 0;     // of one attention rank, at most
  std::int64_t sequences = 0;     // of one attention rank, at most
  std::int64_t cluster_rows = 0;  // of all attention ranks in one step, at most
};

struct GpuShare {
  std::int64_t attention_weight_bytes = 0;
  std::int64_t expert_weight_bytes = 0;
  std::int64_t workspace_bytes = 0;
  std::int64_t reserve_bytes = 0;
  std::int64_t cache_bytes = 0;
  std::int64_t cached_tokens = 0;  // whole blocks

  [[nodiscard]] std::int64_t total_bytes() const {
    return attention_weight_bytes + expert_weight_bytes + workspace_bytes + reserve_bytes +
           cache_bytes;
  }
};

// What `rank` takes with a cache of at least so many tokens; it has no cache without attention.
// Sizes are the engine's own (attention_worker/device/memory_plan.h, expert_worker/device), and
// where rows travel those of the rows and outputs of a step that lie between GPUs. Errors:
// InvalidArgument for more tokens than one GPU's cache can have, whatever its memory.
[[nodiscard]] absl::StatusOr<GpuShare> ShareFor(const ModelConfig& config, const Rank& rank,
                                                const MemoryNeeds& needs,
                                                std::int64_t cached_tokens);

// The same with all the cache that there is room for in `memory_bytes`, at least for the tokens of
// one step.
// Errors: ResourceExhausted when there is no room for that.
[[nodiscard]] absl::StatusOr<GpuShare> LargestShare(const ModelConfig& config, const Rank& rank,
                                                    const MemoryNeeds& needs,
                                                    std::int64_t memory_bytes);

// `tokens` rounded up to whole blocks.
[[nodiscard]] std::int64_t WholeBlocks(std::int64_t tokens);

}  // namespace sextant::cli
