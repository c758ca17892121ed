#include "kernels/rope/yarn.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/status.h"
#include "common/tensor/float_types.h"

namespace sextant {
namespace {

absl::Status CheckParameters(const RopeParameters& parameters) {
  if (parameters.rope_dim < 2 || parameters.rope_dim % 2 != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("rope: rope_dim must be even and positive, not ", parameters.rope_dim));
  }
  if (!(parameters.theta > 1.0)) {
    return absl::InvalidArgumentError(
        absl::StrCat("rope: theta must be above 1, not ", parameters.theta));
  }
  if (!parameters.yarn.has_value()) return absl::OkStatus();
  const YarnScaling& yarn = *parameters.yarn;
  if (!(yarn.factor > 0.0) || !(yarn.beta_fast > 0.0) || !(yarn.beta_slow > 0.0) ||
      yarn.original_max_position < 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "YaRN: factor, beta_fast, beta_slow and original_max_position must be positive, not ",
        yarn.factor, ", ", yarn.beta_fast, ", ", yarn.beta_slow, ", ", yarn.original_max_position));
  }
  return absl::OkStatus();
}

// The pair whose wave turns `rotations` times within the original context, as a real number.
double PairOfRotations(double rotations, const RopeParameters& parameters) {
  const auto context = static_cast<double>(parameters.yarn->original_max_position);
  return static_cast<double>(parameters.rope_dim) *
         std::log(context / (2.0 * std::numbers::pi * rotations)) /
         (2.0 * std::log(parameters.theta));
}

// Slow waves are stretched by `factor`, fast ones kept, those between the two blended.
void StretchSlowWaves(const RopeParameters& parameters, std::vector<double>& frequencies) {
  const YarnScaling& yarn = *parameters.yarn;
  const auto last = static_cast<double>(parameters.rope_dim - 1);
  const double low = std::max(std::floor(PairOfRotations(yarn.beta_fast, parameters)), 0.0);
  double high = std::min(std::ceil(PairOfRotations(yarn.beta_slow, parameters)), last);
  if (high == low) high += 0.001;
  for (std::size_t j = 0; j < frequencies.size(); ++j) {
    const double ramp = std::clamp((static_cast<double>(j) - low) / (high - low), 0.0, 1.0);
    frequencies[j] = frequencies[j] / yarn.factor * ramp + frequencies[j] * (1.0 - ramp);
  }
}

}  // namespace

double YarnMagnitude(double factor, double a) {
  return factor <= 1.0 ? 1.0 : 0.1 * a * std::log(factor) + 1.0;
}

double AttentionScale(std::int64_t head_dim, const RopeParameters& parameters) {
  const double scale = 1.0 / std::sqrt(static_cast<double>(head_dim));
  if (!parameters.yarn.has_value() || parameters.yarn->mscale_all_dim == 0.0) return scale;
  const double m = YarnMagnitude(parameters.yarn->factor, parameters.yarn->mscale_all_dim);
  return scale * m * m;
}

absl::StatusOr<RopeTable> RopeTable::Create(const RopeParameters& parameters) {
  RETURN_IF_ERROR(CheckParameters(parameters));
  std::vector<double> frequencies(static_cast<std::size_t>(parameters.rope_dim / 2));
  for (std::size_t j = 0; j < frequencies.size(); ++j) {
    const double exponent = 2.0 * static_cast<double>(j) / static_cast<double>(parameters.rope_dim);
    frequencies[j] = std::pow(parameters.theta, -exponent);
  }
  double magnitude = 1.0;
  if (parameters.yarn.has_value()) {
    const YarnScaling& yarn = *parameters.yarn;
    StretchSlowWaves(parameters, frequencies);
    magnitude =
        YarnMagnitude(yarn.factor, yarn.mscale) / YarnMagnitude(yarn.factor, yarn.mscale_all_dim);
  }
  return RopeTable(std::move(frequencies), magnitude);
}

void RopeTable::Rows(absl::Span<const std::int64_t> positions, Precision precision,
                     MatrixView<float> cos, MatrixView<float> sin) const {
  const auto rows = static_cast<std::int64_t>(positions.size());
  CHECK_EQ(cos.rows, rows);
  CHECK_EQ(sin.rows, rows);
  CHECK_EQ(cos.cols, rope_dim() / 2);
  CHECK_EQ(sin.cols, rope_dim() / 2);
  const auto rounded = [precision](double value) {
    const auto single = static_cast<float>(value);
    return precision == Precision::kBf16 ? RoundToBf16(single) : single;
  };
  for (std::int64_t t = 0; t < rows; ++t) {
    const auto position = static_cast<double>(positions[static_cast<std::size_t>(t)]);
    for (std::size_t j = 0; j < frequencies_.size(); ++j) {
      const double angle = position * frequencies_[j];
      cos.Row(t)[j] = rounded(std::cos(angle) * magnitude_);
      sin.Row(t)[j] = rounded(std::sin(angle) * magnitude_);
    }
  }
}

}  // namespace sextant
