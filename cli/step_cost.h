// What one step of the model has to compute and read, counted from its shape: the numerator of
// every share that `sextant bench engine` prints.
//
// Counted is what the engine does, once each: multiplications and additions of the matrix products
// and of causal attention (2 per multiply-add), no norms, softmax or padding; of memory the weights
// and the latents of the context. In the last layer only rows whose logits are wanted go beyond
// their latent.
#pragma once

#include <cstdint>

#include "common/config/model_config.h"

namespace sextant::cli {

struct StepRows {
  std::int64_t prompt = 0;   // of one prompt, from position 0 on
  std::int64_t decode = 0;   // generated rows, each of its own sequence
  std::int64_t context = 0;  // positions that each generated row sees, its own included
  std::int64_t logits = 0;   // rows whose logits are wanted: the last ones
};

// What the gate chose, summed over the MoE layers of the step.
struct ExpertLoad {
  std::int64_t rows = 0;     // rows times chosen experts
  std::int64_t experts = 0;  // different experts per layer: the ones whose weights are read
};

struct StepCost {
  double flops = 0;
  double bytes = 0;
};

// `value_bytes`: of a weight and of a cached value.
[[nodiscard]] StepCost CostOfStep(const ModelConfig& config, const StepRows& rows,
                                  const ExpertLoad& load, std::int64_t value_bytes);

// Parameters of the model.
[[nodiscard]] std::int64_t ParameterCount(const ModelConfig& config);

}  // namespace sextant::cli
