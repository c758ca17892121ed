// What model a directory holds, so that all members of a cluster can be seen to have the same.
//
// The fingerprint is a hash of what config.json means for the mathematics, and of every tensor's
// name, type and shape. No weight is read, so it takes milliseconds; two trainings of one
// architecture have the same fingerprint.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "common/config/model_config.h"
#include "common/weights/checkpoint.h"

namespace sextant {

// 16 hexadecimal digits; depends on the two arguments alone.
//
// Errors: those of Checkpoint::Find for a tensor that the config needs.
[[nodiscard]] absl::StatusOr<std::string> Fingerprint(const ModelConfig& config,
                                                      const Checkpoint& checkpoint);

}  // namespace sextant
