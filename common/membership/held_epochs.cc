#include "common/membership/held_epochs.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"

namespace sextant {

void HeldEpochs::Heard(std::uint64_t epoch) { newest_ = std::max(newest_, epoch); }

void HeldEpochs::Prepared(const v1::Placement& placement) { prepared_ = placement; }

void HeldEpochs::Halted(std::uint64_t before) {
  Heard(before);
  halted_before_ = std::max(halted_before_, before);
  if (prepared_.has_value() && IsOver(prepared_->epoch())) prepared_.reset();
  if (IsOver(committed_.epoch())) committed_ = v1::Placement();
}

absl::Status HeldEpochs::CheckPrepare(std::uint64_t epoch) const {
  if (epoch > committed_.epoch()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "told to prepare epoch ", epoch, " after epoch ", committed_.epoch(), " was committed"));
}

absl::Status HeldEpochs::CheckCommit(std::uint64_t epoch) const {
  const std::uint64_t prepared = prepared_.has_value() ? prepared_->epoch() : 0;
  if (epoch != 0 && epoch == prepared) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("told to commit epoch ", epoch, ", but prepared is ",
                   prepared == 0 ? "none" : absl::StrCat("epoch ", prepared)));
}

absl::Status HeldEpochs::CheckRetire(std::uint64_t epoch) const {
  if (epoch != 0 && epoch == committed_.epoch()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("told to retire what epoch ", epoch,
                                                    " does not place here, but committed is epoch ",
                                                    committed_.epoch()));
}

void HeldEpochs::Committed() {
  CHECK(prepared_.has_value());
  committed_ = *std::move(prepared_);
  prepared_.reset();
}

}  // namespace sextant
