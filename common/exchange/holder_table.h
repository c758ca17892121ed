// A placement from the wire as the exchange uses it.
#pragma once

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "common/exchange/dispatch_ledger.h"
#include "proto/sextant/v1/placement.pb.h"

namespace sextant {

// `id_of` names the worker at a place of the placement; it is called once for each, and only when
// nothing is wrong with the whole.
// Errors: InvalidArgument for epoch 0, a worker without id or named twice, and an expert that is
// outside [0, num_experts) or twice with one worker.
[[nodiscard]] absl::StatusOr<HolderTable> MakeHolderTable(
    const v1::Placement& placement, std::int32_t num_experts,
    absl::FunctionRef<HolderId(const v1::PlacedWorker&)> id_of);

}  // namespace sextant
