// MlaDecode's tasks over an arithmetic of units. The products with kv_b are f32 under every
// arithmetic: they are bound by reading the weights.
#pragma once

#include <cstdint>

#include "common/tensor/float_types.h"
#include "kernels/mla/attend_impl.h"
#include "kernels/mla/latent_rows_impl.h"
#include "kernels/mla/mla_kernels.h"
#include "kernels/mla/tile_product.h"
#include "kernels/mla/unit_arithmetic.h"

namespace sextant {
namespace {

// Reads weights in the order in which they lie, as fast as the memory gives them: what follows goes
// over them in an order that the processor does not fetch ahead well.
inline void ReadThrough(const void* data, std::int64_t bytes) {
  constexpr std::int64_t kLine = 64;
  const char* at = static_cast<const char*>(data);
  for (std::int64_t line = 0; line < bytes; line += kLine) {
    asm volatile("" : : "r"(at[line]));
  }
}

// kRows rows of q times columns col .. of UK_h.
template <typename A, int kRows, int kVectors, typename Right>
void AbsorbTile(const AbsorbTask& task, std::int64_t row, std::int64_t col, std::int64_t count,
                const Right& right) {
  using V = typename A::V;
  using F32 = F32Units<V, false>;
  RowsLeft<V, kRows> q;
  for (int i = 0; i < kRows; ++i) q.rows[i] = task.q + (row + i) * task.q_stride;
  Tile<V, kRows, kVectors> sum;
  SetZero(sum);
  MultiplyAdd<F32>(q, right, task.nope, sum);
  for (int i = 0; i < kRows; ++i) {
    float* out = task.latent_q + (row + i) * task.latent_q_stride + col;
    for (int j = 0; j < kVectors; ++j) {
      const V value = task.round ? sum[i][j].RoundToBf16() : sum[i][j];
      F32::StoreValues(out, j * V::kLanes, value, count - j * V::kLanes);
    }
  }
}

template <typename A, int kRows, typename Value>
void AbsorbRows(const AbsorbTask& task, std::int64_t row, const Value* uk) {
  using V = typename A::V;
  const std::int64_t rank = task.uk.cols;
  std::int64_t col = 0;
  for (; col + 2 * V::kLanes <= rank; col += 2 * V::kLanes) {
    AbsorbTile<A, kRows, 2>(task, row, col, rank - col, MemoryRight<V, Value>{uk + col, rank});
  }
  for (; col + V::kLanes <= rank; col += V::kLanes) {
    AbsorbTile<A, kRows, 1>(task, row, col, rank - col, MemoryRight<V, Value>{uk + col, rank});
  }
  if (col < rank) {
    AbsorbTile<A, kRows, 1>(task, row, col, rank - col,
                            PartialMemoryRight<V, Value>{uk + col, rank, rank - col});
  }
}

template <typename A, typename Value>
void AbsorbAll(const AbsorbTask& task) {
  const Value* uk = static_cast<const Value*>(task.uk.data);
  std::int64_t row = 0;
  for (; row + 4 <= task.rows; row += 4) AbsorbRows<A, 4>(task, row, uk);
  for (; row < task.rows; ++row) AbsorbRows<A, 1>(task, row, uk);
  for (row = 0; row < task.rows; ++row) {
    __builtin_memcpy(task.latent_q + row * task.latent_q_stride + task.uk.cols,
                     task.q + row * task.q_stride + task.nope,
                     static_cast<std::size_t>(task.rope) * sizeof(float));
  }
}

template <typename A>
void Absorb(const AbsorbTask& task) {
  ReadThrough(task.uk.data, task.nope * task.uk.cols * (task.uk.is_bf16 ? 2 : 4));
  if (task.uk.is_bf16) {
    AbsorbAll<A, Bf16>(task);
  } else {
    AbsorbAll<A, float>(task);
  }
}

template <typename A>
void PackRows(const PackRowsTask& task) {
  PackLanes<A>(task.rows, task.stride, task.count, UnitsOf<A>(task.cols), task.packed);
}

// The latents of `count` keys (a multiple of kHeight) as panels of values. Column by column for a
// few keys: panels lie pages apart, so a line that is not filled at once has left the L1 cache
// before the next key comes.
template <typename A>
void PackValues(const float* const* rows, std::int64_t count, std::int64_t rank, float* panels) {
  constexpr std::int64_t kKeys = 16;
  const std::int64_t panel_units = UnitsOf<A>(count);
  for (std::int64_t first = 0; first < count; first += kKeys) {
    const std::int64_t last = count - first < kKeys ? count : first + kKeys;
    for (std::int64_t col = 0; col < rank; col += A::kLanes) {
      for (std::int64_t s = first; s < last; s += A::kPerUnit) {
        float* panel = panels + col * panel_units + s / A::kPerUnit * A::kHeight;
        A::JoinRows(rows + s, col, rank - col).StoreHalves(panel, panel + A::kHeight * panel_units);
      }
    }
  }
}

struct SplitMemory {
  const float* const* rows;
  std::int64_t count;
  std::int64_t padded_rank;
  const float* panels;
  float* scores;
  float* packed_weights;
};

template <typename A, int kVectors>
void SplitHeads(const SplitTask& task, const SplitMemory& memory, std::int64_t head) {
  using V = typename A::V;
  const std::int64_t units = UnitsOf<A>(task.latents.width);
  Array<V, kVectors> largest;
  Scores<A, kVectors, false>(
      [&](std::int64_t s) { return memory.rows[s]; }, Limits{task.count - 1, true}, memory.count,
      task.packed_q + head * units, units, task.scale, memory.scores, largest);
  Array<V, kVectors> sum;
  Exponentials(memory.count, largest, memory.scores, sum);
  Array<V, kVectors> one;
  for (int j = 0; j < kVectors; ++j) {
    one[j] = V::Broadcast(1.0F);
    largest[j].Store(task.largest + head + j * A::kLanes);
    sum[j].Store(task.sum + head + j * A::kLanes);
  }
  WeightedSum<A, kVectors>({.weights = memory.scores,
                            .count = memory.count,
                            .values = memory.panels,
                            .panel_units = UnitsOf<A>(memory.count),
                            .cols = memory.padded_rank,
                            .packed = memory.packed_weights,
                            .out = task.weighted + head * memory.padded_rank},
                           one);
}

template <typename A>
void Split(const SplitTask& task) {
  constexpr int kLanes = A::kLanes;
  constexpr int kTile = kTileVectors * kLanes;
  const std::int64_t count = (task.count + A::kHeight - 1) / A::kHeight * A::kHeight;
  const std::int64_t padded_rank = (task.latents.rank + kLanes - 1) / kLanes * kLanes;
  float* scores = task.workspace;
  float* packed_weights = scores + (kDecodeSplit + A::kHeight) * kTile;
  float* panels = packed_weights + UnitsOf<A>(kWeightedKeys) * kTile;
  float* widened = panels + padded_rank * kDecodeSplit;
  const float* rows[kDecodeSplit];
  FindLatentRows<A>(task.latents, task.position, task.count, count, widened, rows);
  PackValues<A>(rows, count, task.latents.rank, panels);
  const SplitMemory memory{rows, count, padded_rank, panels, scores, packed_weights};
  for (std::int64_t head = 0; head < task.num_heads;) {
    const std::int64_t left = task.num_heads - head;
    if (left > 2 * kLanes) {
      SplitHeads<A, 3>(task, memory, head);
      head += 3 * kLanes;
    } else if (left > kLanes) {
      SplitHeads<A, 2>(task, memory, head);
      head += 2 * kLanes;
    } else {
      SplitHeads<A, 1>(task, memory, head);
      head += kLanes;
    }
  }
}

template <typename V>
void MergeSplits(const MergeTask& task) {
  constexpr int kLanes = V::kLanes;
  V largest = V::Load(task.largest);
  for (std::int64_t i = 1; i < task.splits; ++i) {
    largest = V::Max(largest, V::Load(task.largest + i * task.state_stride));
  }
  const auto weight = [&](std::int64_t i) {
    return V::Exp(V::Load(task.largest + i * task.state_stride) - largest);
  };
  V sum = V::Zero();
  for (std::int64_t i = 0; i < task.splits; ++i) {
    sum = V::Fma(weight(i), V::Load(task.sum + i * task.state_stride), sum);
  }
  const V inverse = V::Broadcast(1.0F) / sum;
  for (std::int64_t col = 0; col < task.rank; col += kLanes) {
    Array<V, kLanes> square;
    for (int c = 0; c < kLanes; ++c) square[c] = V::Zero();
    for (std::int64_t i = 0; i < task.splits; ++i) {
      const V w = weight(i);
      const float* part = task.weighted + i * task.weighted_stride + col * kLanes;
      for (int c = 0; c < kLanes; ++c) {
        square[c] = V::Fma(w, V::Load(part + c * kLanes), square[c]);
      }
    }
    for (int c = 0; c < kLanes; ++c) square[c] = square[c] * inverse;
    V::Transpose(square.items);
    for (int h = 0; h < kLanes; ++h) {
      if (h >= task.heads) continue;
      float* u = task.u + h * task.u_stride;
      F32Units<V, false>::StoreValues(u, col, square[h], task.rank - col);
    }
  }
}

// Rows of UV_h that are fetched into the L2 cache while this many before them are multiplied: the
// tiles' rows are too short for the processor to see where they go on.
constexpr std::int64_t kOutputsAhead = 8;

// kRows rows of u times kOutputs rows of UV_h, by dot products along R.
template <typename V, int kRows, int kOutputs, typename Value>
void UnabsorbTile(const UnabsorbTask& task, std::int64_t row, std::int64_t output,
                  const Value* uv) {
  const Value* w = uv + output * task.rank;
  const float* u = task.u + row * task.u_stride;
  Tile<V, kRows, kOutputs> sum;
  SetZero(sum);
  std::int64_t r = 0;
  for (; r + V::kLanes <= task.rank; r += V::kLanes) {
    Array<V, kOutputs> weights;
    for (int j = 0; j < kOutputs; ++j) {
      const Value* at = w + j * task.rank + r;
      __builtin_prefetch(at + kOutputsAhead * task.rank, 0, 2);
      weights[j] = V::Load(at);
    }
    for (int i = 0; i < kRows; ++i) {
      const V x = V::Load(u + i * task.u_stride + r);
      for (int j = 0; j < kOutputs; ++j) sum[i][j] = V::Fma(x, weights[j], sum[i][j]);
    }
  }
  if (const std::int64_t rest = task.rank - r; rest > 0) {
    for (int i = 0; i < kRows; ++i) {
      const V x = V::LoadPartial(u + i * task.u_stride + r, rest);
      for (int j = 0; j < kOutputs; ++j) {
        sum[i][j] = V::Fma(x, V::LoadPartial(w + j * task.rank + r, rest), sum[i][j]);
      }
    }
  }
  for (int i = 0; i < kRows; ++i) {
    for (int j = 0; j < kOutputs; ++j) {
      const float value = sum[i][j].ReduceAdd();
      task.out[(row + i) * task.out_stride + output + j] = task.round ? RoundToBf16(value) : value;
    }
  }
}

template <typename V, int kRows, typename Value>
void UnabsorbRows(const UnabsorbTask& task, std::int64_t row, const Value* uv) {
  std::int64_t output = 0;
  for (; output + 4 <= task.v; output += 4) {
    UnabsorbTile<V, kRows, 4>(task, row, output, uv);
  }
  for (; output < task.v; ++output) UnabsorbTile<V, kRows, 1>(task, row, output, uv);
}

template <typename V, typename Value>
void UnabsorbAll(const UnabsorbTask& task) {
  const Value* uv = static_cast<const Value*>(task.uv.data);
  std::int64_t row = 0;
  for (; row + 2 <= task.rows; row += 2) UnabsorbRows<V, 2>(task, row, uv);
  for (; row < task.rows; ++row) UnabsorbRows<V, 1>(task, row, uv);
}

template <typename V>
void Unabsorb(const UnabsorbTask& task) {
  if (task.uv.is_bf16) {
    UnabsorbAll<V, Bf16>(task);
  } else {
    UnabsorbAll<V, float>(task);
  }
}

}  // namespace
}  // namespace sextant
