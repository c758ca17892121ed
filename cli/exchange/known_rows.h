// What the ranks of a bench send each other: a function of its seed, so that every rank can tell
// what has to arrive.
//
// Shapes:    T rows, K chosen of E experts, H hidden; packed. What a row holds does not depend on
//            how many there are.
// Numerics:  none: values are random bits, which nobody computes with.
// Threads:   any.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "common/config/model_config.h"
#include "common/tensor/float_types.h"
#include "kernels/sampling/philox.h"

namespace sextant::cli {

class KnownRows {
 public:
  KnownRows(const ModelConfig& model, std::uint64_t seed);

  // [T, K] of the attention rank `attention`: of each row K different experts, each set of them as
  // likely as another.
  [[nodiscard]] std::vector<std::int32_t> ExpertIds(int attention, std::int64_t rows) const;

  // [T, H] of that rank.
  [[nodiscard]] std::vector<Bf16> Rows(int attention, std::int64_t rows) const;

  // [experts.size(), H]: what these experts give, whatever the row.
  [[nodiscard]] std::vector<Bf16> Outputs(absl::Span<const std::int32_t> experts) const;

 private:
  enum class Kind : std::uint32_t { kChoices, kRow, kOutput };

  // H values of the `index`-th of an owner.
  void Write(Kind kind, std::uint32_t owner, std::uint32_t index, Bf16* values) const;

  std::int64_t hidden_;
  std::int64_t chosen_;
  std::int64_t experts_;
  PhiloxKey key_;
};

}  // namespace sextant::cli
