// Told by the dispatch worker what it has done: for metrics.
//
// Threads:   the dispatch worker's thread makes every call, after the answers are on their way.
#pragma once

#include <chrono>

#include "common/exchange/exchange.h"

namespace sextant {

class DispatchObserver {
 public:
  virtual ~DispatchObserver() = default;

  virtual void OnBatch(const ExpertBatch& batch) = 0;
  // Once for every dispatch, also for one that was refused.
  virtual void OnAnswered(std::chrono::nanoseconds since_arrival) = 0;
};

}  // namespace sextant
