// A sequence in a paged latent cache, with queries and weights, for the tests of kernels/mla.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "common/tensor/float_types.h"
#include "common/tensor/matrix_view.h"
#include "common/tensor/precision.h"
#include "kernels/mla/latent_cache.h"
#include "kernels/mla/mla_dims.h"

namespace sextant {

struct MlaCaseOptions {
  MlaDims dims;
  std::int64_t length = 1;  // positions in the cache
  std::int64_t block_tokens = 16;
  Precision precision = Precision::kBf16;
  DType weight = DType::kBf16;
  std::uint32_t seed = 1;
};

// Latents of unit mean square, as a norm leaves them; scores of a few units either way. Blocks lie
// in the cache in a shuffled order, and what no position uses is NaN. The values depend on the
// seed, the dims and the length, not on the size of a block.
class MlaCase {
 public:
  explicit MlaCase(const MlaCaseOptions& options);

  [[nodiscard]] const MlaDims& dims() const { return options_.dims; }
  [[nodiscard]] Precision precision() const { return options_.precision; }
  [[nodiscard]] float scale() const { return scale_; }
  [[nodiscard]] LatentCacheView cache();
  [[nodiscard]] absl::Span<const std::int32_t> blocks() const { return blocks_; }
  [[nodiscard]] WeightView kv_b() const;
  // q of every position, [length, N * (nope + rope)].
  [[nodiscard]] MatrixView<const float> q() const;
  [[nodiscard]] std::int64_t out_cols() const { return options_.dims.num_heads * options_.dims.v; }

  // The largest difference from the oracle's double arithmetic that an output may have, from the
  // sizes of the operands and the roundings on the way: u = 2^-24 per f32 operation and, under
  // kBf16, 2^-8 per rounding that may fall on the other side.
  [[nodiscard]] double Tolerance() const;

 private:
  MlaCaseOptions options_;
  float scale_;
  std::vector<std::int32_t> blocks_;
  std::vector<float> latents_;  // [length, R + rope]
  std::vector<float> q_;
  std::vector<float> weights_;
  std::vector<Bf16> weights16_;
  std::vector<float> cache_;
  std::vector<Bf16> cache16_;
};

// sqrt(mean((a - b)^2)) and sqrt(mean(a^2)).
double RmsDifference(const std::vector<float>& a, const std::vector<float>& b);
double Rms(const std::vector<float>& a);

}  // namespace sextant
