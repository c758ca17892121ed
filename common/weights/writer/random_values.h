// Normal random bf16 values by position: value i of a stream depends on (key, i) alone, so that
// threads and shards may produce any part in any order and the result is the same bytes.
//
// Numerics: each value is mean + stddev * q rounded to bf16, where q is one of 65,536 equally
//           likely quantiles of the standard normal distribution; |q| <= 4.3. The words come from
//           SplitMix64 (Steele, Lea, Flood, OOPSLA 2014) over a counter.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/tensor/float_types.h"

namespace sextant {

// The stream of a tensor in the checkpoint of a seed.
[[nodiscard]] std::uint64_t RandomKey(std::uint64_t seed, absl::string_view tensor_name);

class RandomValues {
 public:
  RandomValues(double mean, double stddev);

  // Values begin, begin + 1, ... of the stream. Needs begin % 4 == 0.
  void Fill(std::uint64_t key, std::int64_t begin, absl::Span<Bf16> out) const;

 private:
  std::vector<Bf16> table_;  // by 16 random bits
};

}  // namespace sextant
