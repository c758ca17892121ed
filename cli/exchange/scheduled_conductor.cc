#include "cli/exchange/scheduled_conductor.h"

#include <optional>

#include "absl/status/statusor.h"
#include "common/base/check.h"

namespace sextant::cli {

void ScheduledConductor::Call(std::int64_t rows, bool exact) {
  Send({.epoch = epoch_.number, .step = steps_ + 1, .rows = rows, .exact = exact});
}

void ScheduledConductor::Send(const StepOffer& offer) {
  for (int attention = 0; attention < epoch_.attention_ranks; ++attention) {
    StepOffer of_rank = offer;
    of_rank.attention = attention;
    const absl::StatusOr<std::optional<StepCall>> call = conductor_.Hear(of_rank);
    CHECK(call.ok());
    if (!call->has_value()) continue;
    ++steps_;
    CHECK(gate_->Hear(**call).ok());
  }
}

}  // namespace sextant::cli
