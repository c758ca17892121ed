// Whether weights, workspaces and caches fit, and what would help where they do not.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/plan/gpu_memory.h"
#include "cli/plan/plan.h"

namespace sextant::cli {

// `sequences` dealt evenly to the attention ranks, the first ones having one more where that does
// not come out even; 0 for the others.
[[nodiscard]] std::vector<std::int64_t> DealSequences(const Cluster& cluster,
                                                      std::int64_t sequences);

// What lies on every rank, the cache taking what is left.
// Errors: ResourceExhausted, as MakePlan says.
[[nodiscard]] absl::StatusOr<std::vector<GpuShare>> FitCluster(const PlanRequest& request);

}  // namespace sextant::cli
