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
  const YarnParameters& yarn = *parameters.yarn;
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
// `waves` are theta^(2j / rope_dim).
std::vector<float> BlendedFrequencies(const RopeParameters& parameters,
                                      absl::Span<const float> waves) {
  const YarnParameters& yarn = *parameters.yarn;
  const auto last = static_cast<double>(parameters.rope_dim - 1);
  const double low = std::max(std::floor(PairOfRotations(yarn.beta_fast, parameters)), 0.0);
  double high = std::min(std::ceil(PairOfRotations(yarn.beta_slow, parameters)), last);
  if (high == low) high += 0.001;
  const auto first = static_cast<float>(low);
  const auto width = static_cast<float>(high - low);
  std::vector<float> frequencies;
  for (std::size_t j = 0; j < waves.size(); ++j) {
    const float ramp = std::clamp((static_cast<float>(j) - first) / width, 0.0F, 1.0F);
    const float kept = 1.0F - ramp;
    const float stretched = 1.0F / (static_cast<float>(yarn.factor) * waves[j]);
    frequencies.push_back(stretched * (1.0F - kept) + 1.0F / waves[j] * kept);
  }
  return frequencies;
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
  std::vector<float> waves;
  std::vector<float> frequencies;
  for (std::int64_t j = 0; j < parameters.rope_dim / 2; ++j) {
    const float exponent = static_cast<float>(2 * j) / static_cast<float>(parameters.rope_dim);
    waves.push_back(static_cast<float>(std::pow(parameters.theta, static_cast<double>(exponent))));
    frequencies.push_back(1.0F / waves.back());
  }
  double magnitude = 1.0;
  if (parameters.yarn.has_value()) {
    const YarnParameters& yarn = *parameters.yarn;
    frequencies = BlendedFrequencies(parameters, waves);
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
    const auto position = static_cast<float>(positions[static_cast<std::size_t>(t)]);
    for (std::size_t j = 0; j < frequencies_.size(); ++j) {
      const auto angle = static_cast<double>(position * frequencies_[j]);
      cos.Row(t)[j] = rounded(std::cos(angle) * magnitude_);
      sin.Row(t)[j] = rounded(std::sin(angle) * magnitude_);
    }
  }
}

}  // namespace sextant
