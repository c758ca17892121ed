// What one step of the model has to compute and read, counted from its shape: the numerator of
// every share that `sextant bench engine` prints.
//
// Counted is what the engine does, once each: multiplications and additions of the matrix products
// and of causal attention (2 per multiply-add), no norms, softmax or padding; of memory the weights
// and the latents of the context. In the last layer only rows whose logits are wanted go beyond
// their latent.
#pragma once

#include <cstdint>
#include <vector>

#include "common/config/model_config.h"

namespace sextant::cli {

struct StepRows {
  std::int64_t prompt = 0;   // of one prompt, from position 0 on
  std::int64_t decode = 0;   // generated rows, each of its own sequence
  std::int64_t context = 0;  // positions that each generated row sees, its own included
  std::int64_t logits = 0;   // rows whose logits are wanted: the last ones
};

// What the gate of one MoE layer chose.
struct ExpertLoad {
  double rows = 0;     // rows times chosen experts
  double experts = 0;  // different ones: their weights are read
};

// What an operator belongs to. All but kRouted are of the attention half.
enum class Part : std::uint8_t { kAttention, kDense, kGate, kShared, kRouted, kHead };

struct OperatorCost {
  double flops = 0;
  double bytes = 0;
  double cache_bytes = 0;  // of these bytes: latents of the context
  Part part = Part::kAttention;
  std::int64_t layer = 0;  // the head's is the number of layers
};

struct StepCost {
  double flops = 0;
  double bytes = 0;
  // What these are the sums of: products (attention, the routed experts of a layer) of which each
  // needs what the one before gives, in their order.
  std::vector<OperatorCost> operators;
};

// `loads`: of every MoE layer in order, or none: no row goes to an expert. `value_bytes`: of a
// weight and of a cached value.
[[nodiscard]] StepCost CostOfStep(const ModelConfig& config, const StepRows& rows,
                                  const std::vector<ExpertLoad>& loads, std::int64_t value_bytes);

// The routed experts of one MoE layer alone.
[[nodiscard]] OperatorCost CostOfExperts(const ModelConfig& config, std::int64_t layer,
                                         const ExpertLoad& load, std::int64_t value_bytes);

// The time that a machine with these ceilings takes at least. The operators of a step follow one
// another, and what one reads no cache can hold for it in advance: each takes the time of its reads
// or of its products, whichever is longer.
[[nodiscard]] double FloorSeconds(const StepCost& cost, double read_bytes_per_s,
                                  double product_flops_per_s);

// Parameters of the model, of all of it but the routed experts, and of one routed expert in all MoE
// layers together.
[[nodiscard]] std::int64_t ParameterCount(const ModelConfig& config);
[[nodiscard]] std::int64_t AttentionHalfParameterCount(const ModelConfig& config);
[[nodiscard]] std::int64_t ExpertParameterCount(const ModelConfig& config);

}  // namespace sextant::cli
