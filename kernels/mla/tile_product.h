// The product that everything here is made of: a tile of kHeight rows times kVectors vectors stays
// in registers while the units go by. Each element is one chain of additions in the order of the
// units, whatever the tile, so tiles never change a bit.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sextant {
namespace {

// A plain array whose bound is an int, as lane and row numbers are.
template <typename T, int kCount>
struct Array {
  T items[static_cast<std::size_t>(kCount)];
  [[gnu::always_inline]] T& operator[](int i) { return items[i]; }
  [[gnu::always_inline]] const T& operator[](int i) const { return items[i]; }
};
template <typename V, int kRows, int kVectors>
using Tile = Array<Array<V, kVectors>, kRows>;

template <typename V>
[[gnu::always_inline]] inline V BroadcastUnit(const float* unit) {
  float value;
  __builtin_memcpy(&value, unit, sizeof value);
  return V::Broadcast(value);
}

// Left operands: At(i, k) is unit k of row i in every lane.
template <typename V, int kRows>
struct RowsLeft {
  Array<const float*, kRows> rows;
  [[gnu::always_inline]] V At(int i, std::int64_t k) const { return BroadcastUnit<V>(rows[i] + k); }
};
template <typename V, int kRows>
struct PanelLeft {
  const float* panel;
  [[gnu::always_inline]] V At(int i, std::int64_t k) const {
    return BroadcastUnit<V>(panel + k * kRows + i);
  }
};

// Right operands: At(j, k) is unit k of vector j.
template <typename V>
struct LanesRight {
  const float* packed;
  std::int64_t units;  // of a vector of lanes
  [[gnu::always_inline]] V At(int j, std::int64_t k) const {
    return V::Load(packed + (j * units + k) * V::kLanes);
  }
};
// Weight rows as they lie in memory, vector j being columns j * kLanes ...
template <typename V, typename Value>
struct MemoryRight {
  const Value* first;
  std::int64_t stride;
  [[gnu::always_inline]] V At(int j, std::int64_t k) const {
    return V::Load(first + k * stride + j * V::kLanes);
  }
};
template <typename V, typename Value>
struct PartialMemoryRight {
  const Value* first;
  std::int64_t stride;
  std::int64_t count;  // columns, fewer than kLanes
  [[gnu::always_inline]] V At(int /*j*/, std::int64_t k) const {
    return V::LoadPartial(first + k * stride, count);
  }
};

template <typename A, int kRows, int kVectors, typename Left, typename Right>
[[gnu::always_inline]] inline void MultiplyAdd(const Left& left, const Right& right,
                                               std::int64_t units,
                                               Tile<typename A::V, kRows, kVectors>& sum) {
  for (std::int64_t k = 0; k < units; ++k) {
    Array<typename A::V, kVectors> b;
    for (int j = 0; j < kVectors; ++j) b[j] = right.At(j, k);
    for (int i = 0; i < kRows; ++i) {
      const typename A::V a = left.At(i, k);
      for (int j = 0; j < kVectors; ++j) sum[i][j] = A::MultiplyAdd(a, b[j], sum[i][j]);
    }
  }
}

template <typename V, int kRows, int kVectors>
[[gnu::always_inline]] inline void SetZero(Tile<V, kRows, kVectors>& sum) {
  for (int i = 0; i < kRows; ++i) {
    for (int j = 0; j < kVectors; ++j) sum[i][j] = V::Zero();
  }
}

// `count` rows of `units` units into lanes; rows past the end are zeros.
template <typename A, typename Value>
void PackLanes(const Value* rows, std::int64_t stride, std::int64_t count, std::int64_t units,
               float* packed) {
  using V = typename A::V;
  constexpr int kLanes = A::kLanes;
  for (std::int64_t row = 0; row < count; row += kLanes, packed += units * kLanes) {
    for (std::int64_t unit = 0; unit < units; unit += kLanes) {
      const std::int64_t columns = units - unit < kLanes ? units - unit : kLanes;
      Array<V, kLanes> square;
      for (int i = 0; i < kLanes; ++i) {
        square[i] =
            row + i < count ? A::LoadUnits(rows + (row + i) * stride, unit, columns) : V::Zero();
      }
      V::Transpose(square.items);
      for (int i = 0; i < kLanes; ++i) {
        if (i < columns) square[i].Store(packed + (unit + i) * kLanes);
      }
    }
  }
}

}  // namespace
}  // namespace sextant
