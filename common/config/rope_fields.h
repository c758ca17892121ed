// The rotary part of config.json: rope_theta, rope_scaling and rope_parameters.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "common/config/model_config.h"
#include "nlohmann/json_fwd.hpp"

namespace sextant {

// Sets config.rope_theta and config.rope_scaling. Where a file states something twice (theta
// inside and outside, rope_scaling beside rope_parameters) the two must agree.
//
// Errors: InvalidArgument as in model_config.h; anything but YaRN and plain rotary is refused.
[[nodiscard]] absl::Status ReadRope(const nlohmann::json& document, const std::string& source,
                                    ModelConfig& config);

}  // namespace sextant
