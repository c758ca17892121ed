#include "kernels/linear/linear_reference.h"

#include <cstring>

#include "common/tensor/float_types.h"

namespace sextant {

float RoundResult(double value, Precision precision) {
  const auto single = static_cast<float>(value);
  return precision == Precision::kBf16 ? RoundToBf16(single) : single;
}

float WeightAt(const WeightView& weight, std::int64_t row, std::int64_t col) {
  const std::int64_t element = row * weight.cols + col;
  const char* address = static_cast<const char*>(weight.data) + element * BytesOf(weight.dtype);
  if (weight.dtype == DType::kBf16) {
    Bf16 value;
    std::memcpy(&value, address, sizeof(value));
    return ToFloat(value);
  }
  float value;
  std::memcpy(&value, address, sizeof(value));
  return value;
}

void LinearReference(const LinearArgs& args) {
  for (std::int64_t t = 0; t < args.x.rows; ++t) {
    for (std::int64_t n = 0; n < args.weight.rows; ++n) {
      double sum = 0;
      for (std::int64_t k = 0; k < args.weight.cols; ++k) {
        sum += static_cast<double>(args.x.Row(t)[k]) * WeightAt(args.weight, n, k);
      }
      args.y.Row(t)[n] = RoundResult(sum, args.precision);
    }
  }
}

}  // namespace sextant
