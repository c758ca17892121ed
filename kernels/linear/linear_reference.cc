#include "kernels/linear/linear_reference.h"

#include "common/tensor/float_types.h"

namespace sextant {

float RoundResult(double value, Precision precision) {
  const auto single = static_cast<float>(value);
  return precision == Precision::kBf16 ? RoundToBf16(single) : single;
}

void LinearReference(const LinearArgs& args) {
  for (std::int64_t t = 0; t < args.x.rows; ++t) {
    for (std::int64_t n = 0; n < args.weight.rows; ++n) {
      double sum = 0;
      for (std::int64_t k = 0; k < args.weight.cols; ++k) {
        sum += static_cast<double>(args.x.Row(t)[k]) * args.weight.At(n, k);
      }
      args.y.Row(t)[n] = RoundResult(sum, args.precision);
    }
  }
}

}  // namespace sextant
