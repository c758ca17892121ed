// Whether what a step of the bench has brought is what KnownRows says: the bench is of no use else.
//
// Waits for the stream. Errors: DataLoss naming what came wrong, and those of the GPU.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "cli/exchange/known_rows.h"
#include "common/config/model_config.h"
#include "common/device/gpu.h"
#include "common/exchange/device_exchange.h"
#include "common/exchange/ranks/rank_layout.h"
#include "expert_worker/device/received_rows.h"

namespace sextant::cli {

struct ArrivalCheck {
  const GpuStream& stream;
  const ModelConfig& model;
  const RankLayout& layout;
  const KnownRows& known;
  std::int64_t rows = 0;  // of each rank that attends
};

// The rows of every sender lie where the rank `rank` has received them.
[[nodiscard]] absl::Status CheckRows(const ArrivalCheck& check, const ReceivedRows& received,
                                     int rank);

// The outputs of every choice of the attention rank `attention` have come back.
[[nodiscard]] absl::Status CheckOutputs(const ArrivalCheck& check,
                                        const DeviceExpertOutputs& outputs, int attention);

}  // namespace sextant::cli
