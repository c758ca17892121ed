#include "common/tensor/float_types.h"
#include "kernels/moe/combine_rows.h"

namespace sextant {
namespace {

float CombineElement(const CombineRows& rows, std::int64_t t, std::int64_t h) {
  const auto round = [&](double value) {
    const auto f32 = static_cast<float>(value);
    return rows.round_to_bf16 ? RoundToBf16(f32) : f32;
  };
  double sum = 0.0;
  for (std::int64_t k = 0; k < rows.chosen; ++k) {
    const std::int64_t row = rows.output_row[t * rows.chosen + k];
    sum += static_cast<double>(rows.weights[t * rows.weights_stride + k]) *
           static_cast<double>(rows.expert_out[row * rows.expert_stride + h]);
  }
  float y = round(sum);
  if (rows.shared_out != nullptr)
    y = round(double{y} + double{rows.shared_out[t * rows.shared_stride + h]});
  return round(double{y} + double{rows.residual[t * rows.residual_stride + h]});
}

}  // namespace

void CombineReference(const CombineRows& rows) {
  for (std::int64_t t = 0; t < rows.tokens; ++t) {
    for (std::int64_t h = 0; h < rows.hidden; ++h) {
      rows.residual[t * rows.residual_stride + h] = CombineElement(rows, t, h);
    }
  }
}

}  // namespace sextant
