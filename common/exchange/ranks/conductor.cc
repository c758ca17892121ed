#include "common/exchange/ranks/conductor.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/status.h"
#include "common/device/graph_rows.h"

namespace sextant {

Conductor::Conductor(const ConductedEpoch& epoch, const ConductedLimits& limits)
    : epoch_(epoch), limits_(limits), offers_(static_cast<std::size_t>(epoch.attention_ranks)) {
  CHECK_GE(epoch.attention_ranks, 1);
  CHECK_GE(epoch.expert_ranks, 1);
  CHECK_GE(limits.most_slot_rows, 1);
  CHECK_GE(limits.most_rows, limits.most_slot_rows);
}

absl::StatusOr<std::optional<StepCall>> Conductor::Hear(const StepOffer& offer) {
  RETURN_IF_ERROR(Check(offer));
  // It crossed with the step, or with the end of the epoch.
  if (closed_ || offer.step <= begun_) return std::nullopt;

  std::optional<StepOffer>& held = offers_[static_cast<std::size_t>(offer.attention)];
  // None is lowered: such a one was sent before the one that is held, and came twice.
  if (held.has_value() && (*held == offer || offer.rows == 0)) return std::nullopt;
  if (held.has_value() && held->rows != 0) {
    return absl::InvalidArgumentError(absl::StrCat("attention rank ", offer.attention, " offers ",
                                                   offer.rows, " rows for step ", offer.step,
                                                   " and offered ", held->rows));
  }
  if (!held.has_value()) ++offered_;
  held = offer;
  rows_offered_ = rows_offered_ || offer.rows > 0;
  if (offered_ < offers_.size() || !rows_offered_) return std::nullopt;
  return Begin();
}

absl::Status Conductor::Check(const StepOffer& offer) const {
  const auto refuse = [&](const auto&... why) {
    return absl::InvalidArgumentError(
        absl::StrCat("attention rank ", offer.attention, " offers for step ", why...));
  };
  if (offer.epoch != epoch_.number) {
    return refuse(offer.step, " of epoch ", offer.epoch, "; this is epoch ", epoch_.number);
  }
  if (offer.attention < 0 || offer.attention >= epoch_.attention_ranks) {
    return refuse(offer.step, "; there are ", epoch_.attention_ranks);
  }
  if (offer.step == 0 || (!closed_ && offer.step > begun_ + 1)) {
    return refuse(offer.step, " after step ", begun_);
  }
  if (offer.rows < 0 || offer.rows > limits_.most_rows) {
    return refuse(offer.step, " ", offer.rows, " rows; at most ", limits_.most_rows);
  }
  if (offer.exact && offer.rows == 0) return refuse(offer.step, " no rows in exact form");
  return absl::OkStatus();
}

StepCall Conductor::Begin() {
  StepCall call{.epoch = epoch_.number, .step = {}, .rows = {}};
  std::int64_t most = 0;
  bool exact = false;
  call.rows.reserve(offers_.size());
  for (std::optional<StepOffer>& offer : offers_) {
    call.rows.push_back(offer->rows);
    most = std::max(most, offer->rows);
    exact = exact || offer->exact;
    offer.reset();
  }
  if (exact || most > limits_.most_slot_rows) {
    call.step = {.form = RankStepForm::kExact, .slot_rows = most};
  } else {
    call.step =
        SlotsFor(GraphRows(most, limits_.most_slot_rows), limits_.chosen, epoch_.expert_ranks);
  }
  call.step.number = ++begun_;
  offered_ = 0;
  rows_offered_ = false;
  return call;
}

LastStep Conductor::Close(std::uint64_t next) {
  CHECK_GT(next, epoch_.number);
  closed_ = true;
  return {.epoch = epoch_.number, .step = begun_, .next = next};
}

}  // namespace sextant
