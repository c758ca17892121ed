// The rotary parameters of a model's config, as the kernels take them.
#pragma once

#include "common/config/model_config.h"
#include "kernels/rope/yarn.h"

namespace sextant {

[[nodiscard]] RopeParameters RopeParametersOf(const ModelConfig& config);

}  // namespace sextant
