// A GPU of this host as a card to plan with.
#pragma once

#include "absl/status/statusor.h"
#include "cli/plan/card.h"
#include "kernels/cuda_module/cuda_backend.h"

namespace sextant::cli {

// Its memory as the driver says, its rates as measured in some tens of milliseconds
// (cli/engine/device_ceilings.h), and no link: what rows take between GPUs is measured between
// several, by `sextant bench exchange`.
// Errors: what the GPU refuses; ResourceExhausted where nearly all of its memory is taken.
[[nodiscard]] absl::StatusOr<Card> MeasureCard(const CudaBackend& backend);

}  // namespace sextant::cli
