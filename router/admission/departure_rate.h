// How fast a queue moves: departures per second, the recent ones counting most.
#pragma once

#include "absl/time/time.h"

namespace sextant::router {

class DepartureRate {
 public:
  // A departure weighs 1/e after `memory`.
  explicit DepartureRate(absl::Duration memory) : memory_(memory) {}

  // Times ascend.
  void Add(absl::Time now);

  // 0 before the first departure.
  [[nodiscard]] double PerSecond(absl::Time now) const;

 private:
  [[nodiscard]] double WeightAt(absl::Time now) const;

  const absl::Duration memory_;
  absl::Time first_ = absl::InfinitePast();
  absl::Time last_ = absl::InfinitePast();
  double weight_ = 0;  // of all departures, at last_
};

}  // namespace sextant::router
