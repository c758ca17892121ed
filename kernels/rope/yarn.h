// Rotary frequencies with YaRN's scaling (MODEL.md section 3; YaRN, arXiv 2309.00071, section 3.2),
// and what it does to the scale of attention.
//
// Numerics:  frequencies and angles are formed in f32, step by step as DeepSeek's code does
//            (DeepseekV2YarnRotaryEmbedding): at position 4500 an exact angle differs from its
//            by 1e-4 radians, and the logits by 3e-4. Cosines and sines of that angle are computed
//            in double and rounded once; under kBf16 then to bf16, as that code casts its cache.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/tensor/matrix_view.h"
#include "common/tensor/precision.h"

namespace sextant {

struct YarnParameters {
  double factor = 1.0;
  double beta_fast = 32.0;
  double beta_slow = 1.0;
  double mscale = 1.0;
  double mscale_all_dim = 0.0;  // 0: the attention scale is left alone
  std::int64_t original_max_position = 4096;
};

struct RopeParameters {
  double theta = 10000.0;
  std::int64_t rope_dim = 64;  // even
  std::optional<YarnParameters> yarn = std::nullopt;
};

// m(a) = 0.1 a ln(factor) + 1, or 1 for factors up to 1.
[[nodiscard]] double YarnMagnitude(double factor, double a);

// head_dim^-0.5 (nope and rope parts together), times m(mscale_all_dim)^2 under YaRN.
[[nodiscard]] double AttentionScale(std::int64_t head_dim, const RopeParameters& parameters);

// Immutable after construction; any thread may use it.
class RopeTable {
 public:
  // Errors: InvalidArgument naming the parameter that is out of range.
  [[nodiscard]] static absl::StatusOr<RopeTable> Create(const RopeParameters& parameters);

  [[nodiscard]] std::int64_t rope_dim() const {
    return 2 * static_cast<std::int64_t>(frequencies_.size());
  }
  // Radians per position of each pair, rope_dim / 2 of them.
  [[nodiscard]] absl::Span<const float> frequencies() const { return frequencies_; }
  // The factor of every cosine and sine: m(mscale) / m(mscale_all_dim).
  [[nodiscard]] double magnitude() const { return magnitude_; }

  // Fills row t of `cos` and `sin`, both [T, rope_dim / 2], for positions[t] >= 0. A step computes
  // them once, and all layers share them.
  void Rows(absl::Span<const std::int64_t> positions, Precision precision, MatrixView<float> cos,
            MatrixView<float> sin) const;

 private:
  RopeTable(std::vector<float> frequencies, double magnitude)
      : frequencies_(std::move(frequencies)), magnitude_(magnitude) {}

  std::vector<float> frequencies_;
  double magnitude_;
};

}  // namespace sextant
