// What a cluster will do with a model: what lies where, and how long its steps take.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/plan/cluster.h"
#include "cli/plan/floor.h"
#include "cli/plan/gpu_memory.h"
#include "common/config/model_config.h"

namespace sextant::cli {

struct PlanRequest {
  std::string model_name = {};  // as it was given
  ModelConfig model = {};
  Cluster cluster = {};
  std::vector<std::int64_t> batches = {};  // sequences of the whole cluster in a decode step
  std::int64_t context = 0;                // positions that each of them sees, its own included
  std::int64_t prompt = 0;                 // tokens of a prefill in one step; 0: none
  double efficiency = 1;                   // the share of the floor that is expected, in (0, 1]
  std::int64_t reserve_bytes = 0;
};

struct PlannedStep {
  bool decode = false;
  std::int64_t sequences = 0;  // of the whole cluster: generated rows, or prompts
  std::int64_t tokens = 0;     // context of each, or length of the prompt
  FloorParts floor = {};
  double expected_s = 0;    // the floor over the efficiency: inter-token latency, or time to the
                            // first token
  double tokens_per_s = 0;  // expected, all sequences together

  [[nodiscard]] double tokens_per_s_of_each() const {
    return tokens_per_s / static_cast<double>(sequences);
  }
};

struct Plan {
  std::vector<GpuShare> gpus;  // of each rank
  std::int64_t cached_tokens = 0;
  std::vector<PlannedStep> steps;  // a decode step for each batch, then prefill: one prompt alone,
                                   // and one on every attention rank where there are several
};

// Sequences are dealt evenly to the attention ranks; a step has room for the largest batch and for
// the whole prompt.
// Errors: ResourceExhausted where weights, workspaces or the caches of the largest batch do not
//         fit, saying how many bytes are missing and what would help.
[[nodiscard]] absl::StatusOr<Plan> MakePlan(const PlanRequest& request);

}  // namespace sextant::cli
