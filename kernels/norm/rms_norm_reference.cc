#include <cmath>

#include "common/tensor/float_types.h"
#include "kernels/norm/rms_norm_row.h"

namespace sextant {

void RmsNormRowReference(const RmsNormRow& row) {
  const auto rounded = [&](double value) {
    const auto single = static_cast<float>(value);
    return row.round ? RoundToBf16(single) : single;
  };
  const float* x = row.x;
  if (row.delta != nullptr) {
    for (std::int64_t i = 0; i < row.cols; ++i) row.sum[i] = rounded(row.x[i] + row.delta[i]);
    x = row.sum;
  }
  double sum = 0;
  for (std::int64_t i = 0; i < row.cols; ++i) {
    sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  }
  const double mean = sum / static_cast<double>(row.cols);
  const double scale = 1.0 / std::sqrt(mean + static_cast<double>(row.eps));
  for (std::int64_t i = 0; i < row.cols; ++i) {
    const float normalised = rounded(static_cast<double>(x[i]) * scale);
    row.y[i] = rounded(static_cast<double>(normalised) * static_cast<double>(row.weight.At(0, i)));
  }
}

}  // namespace sextant
