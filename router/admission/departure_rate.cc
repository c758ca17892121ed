#include "router/admission/departure_rate.h"

#include <algorithm>
#include <cmath>

namespace sextant::router {

double DepartureRate::WeightAt(absl::Time now) const {
  if (last_ == absl::InfinitePast()) return 0;
  return weight_ * std::exp(-absl::FDivDuration(now - last_, memory_));
}

void DepartureRate::Add(absl::Time now) {
  if (first_ == absl::InfinitePast()) first_ = now;
  weight_ = WeightAt(now) + 1;
  last_ = now;
}

double DepartureRate::PerSecond(absl::Time now) const {
  if (last_ == absl::InfinitePast()) return 0;
  // A rate that has been the same since first_ has gathered this share of its final weight. At
  // least a second counts, so that a burst at the start does not look like a rate.
  const double seen = absl::FDivDuration(std::max(now - first_, absl::Seconds(1)), memory_);
  return WeightAt(now) / (absl::ToDoubleSeconds(memory_) * (1 - std::exp(-seen)));
}

}  // namespace sextant::router
