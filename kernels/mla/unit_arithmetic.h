// Arithmetic on units of one f32: the policy of every profile without bf16 dot products, and of
// f32 weights or precision. bf16_pair_arithmetic_avx512.h has the other one.
#pragma once

#include <cstdint>

#include "common/tensor/float_types.h"

namespace sextant {
namespace {

template <typename Vector, bool kRounds>
struct F32Units {
  using V = Vector;
  static constexpr int kLanes = V::kLanes;
  static constexpr int kPerUnit = 1;
  static constexpr int kHeight = kLanes / 2;  // rows of a product's tile
  static constexpr bool kRound = kRounds;

  // `a` and `b` hold units, `sum` f32.
  [[gnu::always_inline]] static V MultiplyAdd(V a, V b, V sum) { return V::Fma(a, b, sum); }

  // `count` units from unit number `unit` of a row of values, at most kLanes; the rest are 0.
  template <typename Value>
  [[gnu::always_inline]] static V LoadUnits(const Value* row, std::int64_t unit,
                                            std::int64_t count) {
    return count >= kLanes ? V::Load(row + unit) : V::LoadPartial(row + unit, count);
  }

  [[gnu::always_inline]] static V Rounded(V x) { return kRound ? x.RoundToBf16() : x; }

  // `count` values, rounded, to a row of units from value number `col` on.
  [[gnu::always_inline]] static void StoreValues(float* row, std::int64_t col, V x,
                                                 std::int64_t count) {
    if (count >= kLanes) {
      Rounded(x).Store(row + col);
    } else {
      Rounded(x).StorePartial(row + col, count);
    }
  }

  // Lanes of one unit each, from the rounded values of kPerUnit neighbouring rows.
  [[gnu::always_inline]] static V Join(const V* rows) { return Rounded(rows[0]); }

  // The same of cache rows, which need no rounding.
  [[gnu::always_inline]] static V JoinRows(const float* const* rows, std::int64_t col,
                                           std::int64_t count) {
    return LoadUnits(rows[0], col, count);
  }
};

}  // namespace
}  // namespace sextant
