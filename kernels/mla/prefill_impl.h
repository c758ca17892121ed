// MlaPrefill's tasks over an arithmetic of units.
#pragma once

#include <cstdint>

#include "common/tensor/float_types.h"
#include "kernels/mla/attend_impl.h"
#include "kernels/mla/latent_rows_impl.h"
#include "kernels/mla/mla_kernels.h"
#include "kernels/mla/tile_product.h"

namespace sextant {
namespace {

template <typename A>
void PackWeightsOf(const PackWeightsTask& task) {
  const std::int64_t units = UnitsOf<A>(task.weight.cols);
  if (task.weight.is_bf16) {
    PackLanes<A>(static_cast<const Bf16*>(task.weight.data), task.weight.cols, task.count, units,
                 task.packed);
  } else if constexpr (A::kPerUnit == 1) {
    PackLanes<A>(static_cast<const float*>(task.weight.data), task.weight.cols, task.count, units,
                 task.packed);
  }
}

// Columns col .. col + kVectors * kLanes of kHeight keys, to rows.
template <typename A, int kVectors>
void ExpandKeys(const ExpandTask& task, const RowsLeft<typename A::V, A::kHeight>& latents,
                std::int64_t row, std::int64_t col) {
  using V = typename A::V;
  const std::int64_t units = UnitsOf<A>(task.latents.rank);
  Tile<V, A::kHeight, kVectors> sum;
  SetZero(sum);
  MultiplyAdd<A>(latents, LanesRight<V>{task.packed_uk + col * units, units}, units, sum);
  for (int i = 0; i < A::kHeight; ++i) {
    for (int j = 0; j < kVectors; ++j) {
      const std::int64_t first = col + j * A::kLanes;
      A::StoreValues(task.keys + (row + i) * task.key_stride, first, sum[i][j], task.nope - first);
    }
  }
}

// Columns col .. col + kVectors * kLanes of kHeight values, to panels.
template <typename A, int kVectors>
void ExpandValues(const ExpandTask& task, const RowsLeft<typename A::V, A::kHeight>& latents,
                  std::int64_t row, std::int64_t col) {
  using V = typename A::V;
  const std::int64_t units = UnitsOf<A>(task.latents.rank);
  Tile<V, A::kHeight, kVectors> sum;
  SetZero(sum);
  MultiplyAdd<A>(latents, LanesRight<V>{task.packed_uv + col * units, units}, units, sum);
  for (int i = 0; i < A::kHeight; i += A::kPerUnit) {
    float* low = task.values + (row + i) / A::kPerUnit * A::kHeight;
    for (int j = 0; j < kVectors; ++j) {
      Array<V, A::kPerUnit> rows;
      for (int k = 0; k < A::kPerUnit; ++k) rows[k] = sum[i + k][j];
      float* panel = low + (col + j * A::kLanes) * task.value_panel_units;
      A::Join(rows.items).StoreHalves(panel, panel + A::kHeight * task.value_panel_units);
    }
  }
}

template <typename A>
void Expand(const ExpandTask& task) {
  constexpr int kLanes = A::kLanes;
  const float* rows[kExpandKeys];
  const std::int64_t padded = (task.count + A::kHeight - 1) / A::kHeight * A::kHeight;
  FindLatentRows<A>(task.latents, task.position, task.count, padded, task.widened, rows);
  const std::int64_t rope_units = UnitsOf<A>(task.latents.width - task.latents.rank);
  for (std::int64_t i = 0; i < padded; ++i) {
    __builtin_memcpy(task.keys + i * task.key_stride + UnitsOf<A>(task.nope),
                     rows[i] + UnitsOf<A>(task.latents.rank),
                     static_cast<std::size_t>(rope_units) * sizeof(float));
  }
  for (std::int64_t row = 0; row < padded; row += A::kHeight) {
    RowsLeft<typename A::V, A::kHeight> latents;
    for (int i = 0; i < A::kHeight; ++i) latents.rows[i] = rows[row + i];
    for (std::int64_t col = 0; col < task.nope;) {
      const std::int64_t vectors = (task.nope - col + kLanes - 1) / kLanes;
      if (vectors >= 3) {
        ExpandKeys<A, 3>(task, latents, row, col);
        col += 3 * kLanes;
      } else if (vectors == 2) {
        ExpandKeys<A, 2>(task, latents, row, col);
        col += 2 * kLanes;
      } else {
        ExpandKeys<A, 1>(task, latents, row, col);
        col += kLanes;
      }
    }
    for (std::int64_t col = 0; col < task.v;) {
      const std::int64_t vectors = (task.v - col + kLanes - 1) / kLanes;
      if (vectors >= 3) {
        ExpandValues<A, 3>(task, latents, row, col);
        col += 3 * kLanes;
      } else if (vectors == 2) {
        ExpandValues<A, 2>(task, latents, row, col);
        col += 2 * kLanes;
      } else {
        ExpandValues<A, 1>(task, latents, row, col);
        col += kLanes;
      }
    }
  }
}

// What a span's result weighs against those of the spans before it.
template <typename V>
struct Merge {
  V before;
  V now;
};

// Updates the running state of kLanes rows.
template <typename V>
Merge<V> UpdateState(V largest, V sum, float* running_largest, float* running_sum) {
  const V old_largest = V::Load(running_largest);
  const V new_largest = V::Max(old_largest, largest);
  const V before = V::Load(running_sum) * V::Exp(old_largest - new_largest);
  const V now = sum * V::Exp(largest - new_largest);
  const V total = before + now;
  new_largest.Store(running_largest);
  total.Store(running_sum);
  return {before / total, now / total};
}

// Writes values [v][lanes] of one vector of rows to those rows, merging and rounding per row.
template <typename A>
void StoreRows(const AttendTask& task, int j, const float* values, std::int64_t padded_v,
               const float* before, const float* now) {
  using V = typename A::V;
  constexpr int kLanes = A::kLanes;
  for (std::int64_t col = 0; col < padded_v && col < task.v; col += kLanes) {
    Array<V, kLanes> square;
    for (int i = 0; i < kLanes; ++i) square[i] = V::Load(values + (col + i) * kLanes);
    V::Transpose(square.items);
    const std::int64_t count = task.v - col < kLanes ? task.v - col : kLanes;
    for (int i = 0; i < kLanes; ++i) {
      const std::int64_t row = j * kLanes + i;
      const std::int64_t position = task.position + row;
      if (row >= task.rows || position < task.span_begin) continue;
      float* out = task.out + row * task.out_stride + col;
      V value = square[i];
      if (task.span_begin > 0) {
        const V old = count == kLanes ? V::Load(out) : V::LoadPartial(out, count);
        value = old * V::Broadcast(before[i]) + value * V::Broadcast(now[i]);
      }
      const bool last_span = position < task.span_begin + kPrefillSpan;
      if (task.round && last_span) value = value.RoundToBf16();
      if (count == kLanes) {
        value.Store(out);
      } else {
        value.StorePartial(out, count);
      }
    }
  }
}

template <typename A, int kVectors>
void AttendTile(const AttendTask& task) {
  using V = typename A::V;
  constexpr int kLanes = A::kLanes;
  const std::int64_t last = task.position + task.rows - 1 - task.span_begin;
  const std::int64_t keys = last + 1 < kPrefillSpan ? last + 1 : kPrefillSpan;
  const std::int64_t count = (keys + A::kHeight - 1) / A::kHeight * A::kHeight;
  const std::int64_t padded_v = (task.v + kLanes - 1) / kLanes * kLanes;

  float* packed_q = task.workspace;
  float* packed_weights = packed_q + kVectors * task.q_units * kLanes;
  float* values = packed_weights + kVectors * UnitsOf<A>(kWeightedKeys) * kLanes;
  float* factors = values + kVectors * padded_v * kLanes;
  float* scores = factors + 2 * kLanes;

  for (int j = 0; j < kVectors; ++j) {
    const std::int64_t rows = task.rows - j * kLanes < kLanes ? task.rows - j * kLanes : kLanes;
    PackLanes<A>(task.q + j * kLanes * task.q_stride, task.q_stride, rows, task.q_units,
                 packed_q + j * task.q_units * kLanes);
  }
  Array<V, kVectors> largest;
  const auto key_row = [&](std::int64_t s) { return task.keys + s * task.q_units; };
  const Limits limits{task.position - task.span_begin, false};
  Scores<A, kVectors, A::kRound>(key_row, limits, count, packed_q, task.q_units, task.scale, scores,
                                 largest);
  Array<V, kVectors> sum;
  Exponentials(count, largest, scores, sum);
  Array<V, kVectors> inverse;
  for (int j = 0; j < kVectors; ++j) inverse[j] = V::Broadcast(1.0F) / sum[j];
  WeightedSum<A, kVectors>({.weights = scores,
                            .count = count,
                            .values = task.values,
                            .panel_units = task.value_panel_units,
                            .cols = padded_v,
                            .packed = packed_weights,
                            .out = values},
                           inverse);
  for (int j = 0; j < kVectors; ++j) {
    float* running_largest = task.largest + j * kLanes;
    float* running_sum = task.sum + j * kLanes;
    if (task.span_begin == 0) {
      largest[j].Store(running_largest);
      sum[j].Store(running_sum);
    } else {
      const Merge<V> merge = UpdateState(largest[j], sum[j], running_largest, running_sum);
      merge.before.Store(factors);
      merge.now.Store(factors + kLanes);
    }
    StoreRows<A>(task, j, values + j * padded_v * kLanes, padded_v, factors, factors + kLanes);
  }
}

template <typename A>
void Attend(const AttendTask& task) {
  if (task.rows > 2 * A::kLanes) {
    AttendTile<A, 3>(task);
  } else if (task.rows > A::kLanes) {
    AttendTile<A, 2>(task);
  } else {
    AttendTile<A, 1>(task);
  }
}

}  // namespace
}  // namespace sextant
