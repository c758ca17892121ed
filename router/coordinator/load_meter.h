// How many rows experts got lately, from what workers report.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "router/coordinator/load_balance.h"

namespace sextant {

class LoadMeter {
 public:
  // What was reported so long ago counts half.
  explicit LoadMeter(absl::Duration half_life) : half_life_(half_life) {}

  void Resize(std::size_t experts) { rows_.resize(experts); }

  // `expert` is below the number of experts.
  void Add(std::size_t expert, std::int64_t rows, absl::Time now) {
    Fade(now);
    begun_ = std::min(begun_, now);
    rows_[expert] += static_cast<double>(rows);
  }

  // Rows per second, [E].
  [[nodiscard]] ExpertLoads Rates(absl::Time now) const {
    ExpertLoads rates = rows_;
    if (begun_ == absl::InfiniteFuture()) return rates;
    // What a row per second has come to since the first report.
    const double since = std::max(absl::FDivDuration(now - begun_, half_life_), kShortest);
    const double one = absl::ToDoubleSeconds(half_life_) / std::log(2.0) * (1 - std::exp2(-since));
    const double per_row = Faded(now) / one;
    for (double& rate : rates) rate *= per_row;
    return rates;
  }

 private:
  static constexpr double kShortest = 0.01;  // half-lives: the first report says nothing of a rate

  [[nodiscard]] double Faded(absl::Time now) const {
    return std::exp2(-absl::FDivDuration(now - counted_, half_life_));
  }
  void Fade(absl::Time now) {
    if (counted_ != absl::InfinitePast()) {
      const double faded = Faded(now);
      for (double& rows : rows_) rows *= faded;
    }
    counted_ = now;
  }

  const absl::Duration half_life_;
  std::vector<double> rows_;  // [E], those of long ago as less
  absl::Time counted_ = absl::InfinitePast();
  absl::Time begun_ = absl::InfiniteFuture();
};

}  // namespace sextant
