#include "cli/plan/routing.h"

#include <algorithm>
#include <cmath>

namespace sextant::cli {

double ExpectedExperts(const Routing& routing, std::int64_t held, double rows) {
  const double missed =
      1 - static_cast<double>(routing.chosen) / static_cast<double>(routing.experts);
  return static_cast<double>(held) * (1 - std::pow(missed, rows));
}

double HitProbability(const Routing& routing, std::int64_t held) {
  double missed = 1;
  for (std::int64_t i = 0; i < routing.chosen; ++i) {
    const std::int64_t others = std::max<std::int64_t>(routing.experts - held - i, 0);
    missed *= static_cast<double>(others) / static_cast<double>(routing.experts - i);
  }
  return 1 - missed;
}

}  // namespace sextant::cli
