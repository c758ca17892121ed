// The workers that a placement names, whichever way they exchange rows.
#pragma once

#include "proto/sextant/v1/placement.pb.h"

namespace sextant {

// The ranks of an epoch of ranks; else those that hold experts.
[[nodiscard]] inline const google::protobuf::RepeatedPtrField<v1::PlacedWorker>& PlacedWorkers(
    const v1::Placement& placement) {
  return placement.ranks().empty() ? placement.expert_workers() : placement.ranks();
}

}  // namespace sextant
