#include "common/exchange/ranks/said_steps.h"

#include <utility>

#include "common/base/check.h"

namespace sextant {

void SaidSteps::Add(StepCall call) {
  CHECK_EQ(call.step.number, newest() + 1);
  CHECK(!last_.has_value());
  calls_.push_back(std::move(call));
  if (calls_.size() > kMostKept) calls_.pop_front();
}

const StepCall* SaidSteps::After(std::uint64_t heard) const {
  CHECK(Reaches(heard));
  if (heard >= newest()) return nullptr;
  return &calls_[static_cast<std::size_t>(heard + 1 - calls_.front().step.number)];
}

}  // namespace sextant
