// The time that a step of the whole cluster takes at least, and what it is spent on.
//
// The operators of a step follow one another. Each takes the time of its reads or of its products,
// whichever is longer (cli/step_cost.h, the floor of `sextant bench engine`); a GPU's floor counts
// weights and latents read once, products at the card's dense bf16 rate, and no launch, norm,
// softmax or sampling. What the gate chooses is uniform (routing.h).
//
// Ranks are in step, so every phase lasts as long as on its most loaded rank: attention on the one
// with most rows, experts on the one that holds most of them. In a MoE layer rows go out, experts
// work, outputs come back (exchange_time.h, and a hop each way). The shared experts run while rows
// travel:
//   one        shared + experts
//   colocated  max(shared, out) + experts + back
//   apart      max(shared, out + experts + back)
// One batch is in flight at a time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/plan/cluster.h"
#include "cli/step_cost.h"
#include "common/config/model_config.h"

namespace sextant::cli {

// Seconds of the critical path, by what they are spent on: an operator that is bound by reading is
// split by what it reads, one that is bound by products is all products.
struct FloorParts {
  double weights_s = 0;
  double cache_s = 0;
  double products_s = 0;
  double exchange_s = 0;  // bytes between GPUs
  double hops_s = 0;      // latency between GPUs

  [[nodiscard]] double total_s() const;
  // The name of the largest part: "weights", "cache", "products", "exchange" or "hops".
  [[nodiscard]] std::string BoundBy() const;
  FloorParts& operator+=(const FloorParts& other);
};

// `rows`: what each rank of the cluster does in the step; nothing where it runs no attention.
[[nodiscard]] FloorParts FloorOfStep(const ModelConfig& config, const Cluster& cluster,
                                     const std::vector<StepRows>& rows);

}  // namespace sextant::cli
