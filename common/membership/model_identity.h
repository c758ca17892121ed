// What a member of the cluster says of its model.
#pragma once

#include "absl/status/statusor.h"
#include "common/config/model_config.h"
#include "common/tensor/precision.h"
#include "common/weights/checkpoint.h"
#include "proto/sextant/v1/cluster.pb.h"

namespace sextant {

// The id stays empty: the name by which clients ask for the model is the router's business.
//
// Errors: those of Fingerprint (common/weights/fingerprint.h).
[[nodiscard]] absl::StatusOr<v1::ModelIdentity> IdentifyModel(const ModelConfig& config,
                                                              const Checkpoint& checkpoint,
                                                              Precision precision);

}  // namespace sextant
