// What the conductor of an epoch has said, for ranks that have not heard all of it yet.
//
// Calls run only a step or two ahead of the slowest rank, for a step takes all of them; so few are
// kept, and a rank that is further behind is lost.
//
// Threads:   one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include "common/exchange/ranks/step_messages.h"

namespace sextant {

class SaidSteps {
 public:
  static constexpr std::size_t kMostKept = 64;

  // `call` is the one after the newest.
  void Add(StepCall call);
  void Add(const LastStep& last) { last_ = last; }

  // The number of the newest call, 0 before the first one.
  [[nodiscard]] std::uint64_t newest() const {
    return calls_.empty() ? 0 : calls_.back().step.number;
  }
  // Whether all calls after number `heard` are still there.
  [[nodiscard]] bool Reaches(std::uint64_t heard) const {
    return calls_.empty() || heard + 1 >= calls_.front().step.number;
  }
  // The call after number `heard`, which Reaches; null: it has not been said.
  [[nodiscard]] const StepCall* After(std::uint64_t heard) const;

  [[nodiscard]] const std::optional<LastStep>& last() const { return last_; }

 private:
  std::deque<StepCall> calls_;  // ascending, without gaps
  std::optional<LastStep> last_;
};

}  // namespace sextant
