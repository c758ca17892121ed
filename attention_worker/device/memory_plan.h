// What goes where in a GPU's memory, decided before anything is allocated: nothing is allocated
// while serving.
//
// The cache gets what weights, workspaces and the reserve leave, or the tokens that were asked for.
// A pure function of its arguments.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "attention_worker/device/step_layout.h"
#include "common/config/model_config.h"

namespace sextant {

struct MemoryPlanInput {
  std::int64_t budget_bytes = 0;   // what may be used: free memory, or the operator's wish
  std::int64_t reserve_bytes = 0;  // not ours: the driver's context, kernels, graphs

  // Of the routed experts that live on this GPU, and of their workspaces in a step of
  // max_batch_tokens rows: what the expert half says of itself. 0 where they live elsewhere.
  std::int64_t routed_expert_bytes = 0;
  std::int64_t expert_workspace_bytes = 0;

  std::int64_t max_batch_tokens = 0;  // rows of a step
  std::int64_t max_sequences = 0;     // running at once
  std::int64_t block_tokens = 0;
  std::optional<std::int64_t> cache_tokens = std::nullopt;  // absent: all that there is room for
};

struct MemoryRegion {
  absl::string_view name;  // static
  std::int64_t bytes = 0;
};

struct MemoryPlan {
  std::vector<MemoryRegion> regions;  // in the order of the table; their sum is within the budget
  std::int64_t budget_bytes = 0;
  StepSizes step;  // of the largest step
  std::int32_t num_blocks = 0;
  std::int64_t cached_tokens = 0;  // num_blocks * block_tokens

  [[nodiscard]] std::int64_t TotalBytes() const;
};

// Errors: ResourceExhausted that says how many bytes are missing and what would help: where there
//         is no room for weights and workspaces and a cache of max_batch_tokens, or for the
//         cache_tokens that were asked for. InvalidArgument where a number of the input is not
//         positive (the reserve and bytes of experts may be 0), or one layer's cache has more
//         values than kernels count to (mla_decode_cuda.h).
[[nodiscard]] absl::StatusOr<MemoryPlan> PlanMemory(const ModelConfig& config,
                                                    const MemoryPlanInput& input);

// A line for each region that is not empty, with size and share of the budget, and a last one for
// the sum.
[[nodiscard]] std::string FormatTable(const MemoryPlan& plan);

}  // namespace sextant
