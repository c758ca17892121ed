#include "attention_worker/model/rope_parameters.h"

namespace sextant {

RopeParameters RopeParametersOf(const ModelConfig& config) {
  RopeParameters parameters{.theta = config.rope_theta, .rope_dim = config.qk_rope_head_dim};
  if (config.rope_scaling.has_value()) {
    const YarnScaling& yarn = *config.rope_scaling;
    parameters.yarn =
        YarnParameters{.factor = yarn.factor,
                       .beta_fast = yarn.beta_fast,
                       .beta_slow = yarn.beta_slow,
                       .mscale = yarn.mscale,
                       .mscale_all_dim = yarn.mscale_all_dim,
                       .original_max_position = yarn.original_max_position_embeddings};
  }
  return parameters;
}

}  // namespace sextant
