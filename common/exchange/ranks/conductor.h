// Says when the steps of one epoch begin and in which form. It lives where the lowest attention
// rank lives; every rank of the epoch hears what it says.
//
// A step begins once every attention rank has made an offer for it and one of them has rows: so
// nobody is called who still works on the step before, and ranks that have nothing to do are not
// called at all. It is taken in exact form if any rank that has rows needs it, or has more of them
// than a slot may hold; else in slots of the next of few sizes (common/device/graph_rows.h).
//
// Threads:   one at a time, without locks, clocks or waiting.
// Errors:    InvalidArgument for an offer that no sound rank makes; it changes nothing. Offers that
//            come late or twice are none of these: they are passed over.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/exchange/ranks/step_messages.h"

namespace sextant {

struct ConductedEpoch {
  std::uint64_t number = 0;
  int attention_ranks = 0;  // A
  int expert_ranks = 0;     // D
};

struct ConductedLimits {
  std::int64_t chosen = 0;          // K
  std::int64_t most_slot_rows = 0;  // of a rank, in slots
  std::int64_t most_rows = 0;       // of a rank, in exact form
};

class Conductor {
 public:
  Conductor(const ConductedEpoch& epoch, const ConductedLimits& limits);

  // The step that begins with this offer, if one does: for all ranks.
  [[nodiscard]] absl::StatusOr<std::optional<StepCall>> Hear(const StepOffer& offer);

  // Begins no step any more, for `next` follows: for all ranks.
  [[nodiscard]] LastStep Close(std::uint64_t next);

 private:
  [[nodiscard]] absl::Status Check(const StepOffer& offer) const;
  [[nodiscard]] StepCall Begin();

  const ConductedEpoch epoch_;
  const ConductedLimits limits_;
  std::uint64_t begun_ = 0;                       // the number of the last step
  std::vector<std::optional<StepOffer>> offers_;  // [A], for the step after it
  std::size_t offered_ = 0;                       // how many there are
  bool rows_offered_ = false;
  bool closed_ = false;
};

}  // namespace sextant
