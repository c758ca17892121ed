// The panel kernels, written once for every instruction set (see panel.h).
//
// An Isa names a vector of packed values and of partial sums, and how to multiply, expand and fold
// them; it lives in an anonymous namespace, so everything instantiated with it stays in its file.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "kernels/linear/panel.h"
#include "kernels/simd/simd_avx2.h"

namespace sextant {
namespace {

// Fetches memory into the L2 cache, a few lines per step of the arithmetic.
struct Fetch {
  const char* at;
  const char* end;
  int lines_per_step;

  [[gnu::always_inline]] void Step() {
    for (std::int64_t i = 0; i < lines_per_step; ++i) {
      _mm_prefetch(at, _MM_HINT_T1);
      at += 64;
    }
  }
};

// An array's size.
constexpr std::size_t Count(std::int64_t count) { return static_cast<std::size_t>(count); }

// Adds the lanes of eight vectors: lane i of the result is the sum of sums[i], always as
// ((0+4)+(2+6)) + ((1+5)+(3+7)).
[[gnu::always_inline]] inline __m256 AddLanes(const __m256* sums) {
  __m256 half[4];
#pragma GCC unroll 4
  for (std::int64_t i = 0; i < 4; ++i) {
    half[i] = _mm256_add_ps(_mm256_permute2f128_ps(sums[i], sums[i + 4], 0x20),
                            _mm256_permute2f128_ps(sums[i], sums[i + 4], 0x31));
  }
  __m256 quarter[2];
#pragma GCC unroll 2
  for (std::int64_t i = 0; i < 2; ++i) {
    quarter[i] = _mm256_add_ps(_mm256_shuffle_ps(half[2 * i], half[2 * i + 1], 0x44),
                               _mm256_shuffle_ps(half[2 * i], half[2 * i + 1], 0xee));
  }
  return _mm256_add_ps(_mm256_shuffle_ps(quarter[0], quarter[1], 0x88),
                       _mm256_shuffle_ps(quarter[0], quarter[1], 0xdd));
}

template <class Isa, std::int64_t kRows>
struct Tile {
  static constexpr std::int64_t kCols = Isa::kShape.panel_rows;
  static constexpr std::int64_t kSums = kRows * kCols;
  static constexpr std::int64_t kSumVectors = (kSums + 7) / 8;
  static constexpr std::int64_t kPerStep = Isa::kVectorsPerStep;
  using Vec = typename Isa::Vec;
  using Acc = typename Isa::Acc;

  Acc acc[Count(kSums)];  // [row][col]

  [[gnu::always_inline]] void Clear() {
#pragma GCC unroll 32
    for (std::int64_t i = 0; i < kSums; ++i) acc[i] = Isa::Zero();
  }
  [[gnu::always_inline]] void Restore(const Acc* from) {
#pragma GCC unroll 32
    for (std::int64_t i = 0; i < kSums; ++i) acc[i] = from[i];
  }
  [[gnu::always_inline]] void Save(Acc* to) const {
#pragma GCC unroll 32
    for (std::int64_t i = 0; i < kSums; ++i) to[i] = acc[i];
  }

  [[gnu::always_inline]] void MultiplyPacked(const Vec* a, const Vec* b, std::int64_t steps,
                                             Fetch& fetch) {
    for (std::int64_t step = 0; step < steps; ++step) {
      fetch.Step();
#pragma GCC unroll 2
      for (std::int64_t v = 0; v < kPerStep; ++v) {
#pragma GCC unroll 8
        for (std::int64_t c = 0; c < kCols; ++c) {
#pragma GCC unroll 8
          for (std::int64_t r = 0; r < kRows; ++r) {
            acc[r * kCols + c] = Isa::MultiplyAdd(a[r], b[c], acc[r * kCols + c]);
          }
        }
        a += kRows;
        b += kCols;
      }
    }
  }

  // One step of every weight row, read in place at `at[c]`.
  template <bool kFloat, bool kKeep>
  [[gnu::always_inline]] void MultiplyStep(const Vec* a, const char* const* at, Vec* keep) {
#pragma GCC unroll 8
    for (std::int64_t c = 0; c < kCols; ++c) {
      Vec b[Count(kPerStep)];
      Isa::template Expand<kFloat>(at[c], b);
#pragma GCC unroll 2
      for (std::int64_t v = 0; v < kPerStep; ++v) {
        if constexpr (kKeep) keep[v * kCols + c] = b[v];
#pragma GCC unroll 8
        for (std::int64_t r = 0; r < kRows; ++r) {
          acc[r * kCols + c] = Isa::MultiplyAdd(a[v * kRows + r], b[v], acc[r * kCols + c]);
        }
      }
    }
  }

  // `values` of every weight row from `at[c]` on; the last step is padded with zeros.
  template <bool kFloat, bool kKeep>
  [[gnu::always_inline]] void MultiplyRaw(const Vec* a, const char* const* rows,
                                          std::int64_t values, Vec* keep, Fetch& fetch) {
    constexpr std::int64_t kStepBytes = Isa::kShape.step * (kFloat ? 4 : 2);
    const char* at[Count(kCols)];
#pragma GCC unroll 8
    for (std::int64_t c = 0; c < kCols; ++c) at[c] = rows[c];
    for (; values >= Isa::kShape.step; values -= Isa::kShape.step) {
      fetch.Step();
      MultiplyStep<kFloat, kKeep>(a, at, keep);
      a += kPerStep * kRows;
      if constexpr (kKeep) keep += kPerStep * kCols;
#pragma GCC unroll 8
      for (std::int64_t c = 0; c < kCols; ++c) at[c] += kStepBytes;
    }
    if (values > 0) {
      char padded[Count(kCols)][Count(kStepBytes)] = {};
      for (std::int64_t c = 0; c < kCols; ++c) {
        std::memcpy(padded[c], at[c], static_cast<std::size_t>(values) * (kFloat ? 4 : 2));
        at[c] = padded[c];
      }
      MultiplyStep<kFloat, kKeep>(a, at, keep);
    }
  }

  // The sums of all outputs, [row][col], padded to whole vectors.
  [[gnu::always_inline]] void Sums(bool round, F32x8* sums) const {
    __m256 lanes[Count(kSumVectors * 8)];
#pragma GCC unroll 32
    for (std::int64_t i = 0; i < kSumVectors * 8; ++i) {
      lanes[i] = i < kSums ? Isa::Fold(acc[i < kSums ? i : 0]) : _mm256_setzero_ps();
    }
#pragma GCC unroll 4
    for (std::int64_t i = 0; i < kSumVectors; ++i) {
      sums[i].v = AddLanes(lanes + 8 * i);
      if (round) sums[i] = sums[i].RoundToBf16();
    }
  }
};

[[gnu::always_inline]] inline F32x8 Silu(F32x8 v) {
  return v / (F32x8::Broadcast(1.0F) + F32x8::Exp(F32x8::Zero() - v));
}

// Where value (row, col) of packed rows lies within its tile of `rows` rows, in values.
template <class Isa>
[[gnu::always_inline]] inline std::int64_t PackedOffset(std::int64_t rows, std::int64_t row,
                                                        std::int64_t col, int value_bytes) {
  constexpr std::int64_t kStep = Isa::kShape.step;
  if (value_bytes == 2) return (col / kStep * rows + row) * kStep + col % kStep;
  constexpr std::int64_t kLanes = kStep / 2;  // even values fill one vector, odd ones the next
  return ((col / kStep * 2 + col % 2) * rows + row) * kLanes + col % kStep / 2;
}

template <class Isa, std::int64_t kRows>
struct TileJob {
  using T = Tile<Isa, kRows>;
  static constexpr std::int64_t kCols = T::kCols;

  static void Store(const PanelJob& job, std::int64_t first_row, const float* sums) {
    float* y = job.y + first_row * job.y_stride;
    for (std::int64_t r = 0; r < kRows; ++r, y += job.y_stride) {
      if (job.weight_rows == kCols) {
        std::memcpy(y, sums + r * kCols, Count(kCols) * sizeof(float));
      } else {
        for (std::int64_t c = 0; c < job.weight_rows; ++c) y[c] = sums[r * kCols + c];
      }
    }
  }

  static void Gate(const PanelJob& job, std::int64_t first_row, const F32x8* kept, F32x8* sums) {
    for (std::int64_t i = 0; i < T::kSumVectors; ++i) {
      F32x8 gate = Silu(kept[i]);
      if (job.round) gate = gate.RoundToBf16();
      sums[i] = gate * sums[i];
      if (job.round) sums[i] = sums[i].RoundToBf16();
    }
    const PackedTarget& to = job.gated;
    const std::int64_t padded =
        (to.cols + Isa::kShape.step - 1) / Isa::kShape.step * Isa::kShape.step;
    char* tile = static_cast<char*>(to.data) + first_row * padded * to.value_bytes;
    alignas(32) float values[Count(T::kSumVectors * 8)];
    std::memcpy(values, sums, sizeof(values));
    for (std::int64_t c = 0; c < job.weight_rows; ++c) {
      for (std::int64_t r = 0; r < kRows; ++r) {
        const std::int64_t offset =
            PackedOffset<Isa>(kRows, r, to.col + c, to.value_bytes) * to.value_bytes;
        const char* value = reinterpret_cast<const char*>(values + r * kCols + c);
        if (to.value_bytes == 2) {
          std::memcpy(tile + offset, value + 2, 2);
        } else {
          std::memcpy(tile + offset, value, 4);
        }
      }
    }
  }

  static void Finish(const PanelJob& job, std::int64_t first_row, const T& tile) {
    F32x8 sums[Count(T::kSumVectors)];
    tile.Sums(job.round, sums);
    F32x8* kept = reinterpret_cast<F32x8*>(job.workspace.kept) +
                  first_row / Isa::kShape.tile_rows * Isa::kKeptVectors;
    switch (job.finish) {
      case PanelFinish::kStore: {
        alignas(32) float values[Count(T::kSumVectors * 8)];
        std::memcpy(values, sums, sizeof(values));
        return Store(job, first_row, values);
      }
      case PanelFinish::kKeep:
        for (std::int64_t i = 0; i < T::kSumVectors; ++i) kept[i] = sums[i];
        return;
      case PanelFinish::kGate:
        return Gate(job, first_row, kept, sums);
    }
  }

  // Rows [first_row, first_row + kRows) times values [first_col, first_col + values) of the panel.
  template <bool kFloat>
  static void Run(const PanelJob& job, std::int64_t first_row, std::int64_t first_col,
                  std::int64_t values, const char* const* weights, Fetch& fetch) {
    const std::int64_t padded =
        (job.cols + Isa::kShape.step - 1) / Isa::kShape.step * Isa::kShape.step;
    const auto* a = reinterpret_cast<const typename T::Vec*>(
        static_cast<const char*>(job.rows) +
        (first_row * padded + first_col * kRows) * Isa::kShape.value_bytes);
    auto* panel = static_cast<typename T::Vec*>(job.workspace.panel);
    auto* partial =
        static_cast<typename T::Acc*>(job.workspace.partial) + first_row * Isa::kShape.panel_rows;
    T tile;
    if (first_col == 0) {
      tile.Clear();
    } else {
      tile.Restore(partial);
    }
    if (first_row > 0) {
      const std::int64_t steps = (values + Isa::kShape.step - 1) / Isa::kShape.step;
      tile.MultiplyPacked(a, panel, steps, fetch);
    } else if (job.row_count > kRows) {
      tile.template MultiplyRaw<kFloat, true>(a, weights, values, panel, fetch);
    } else {
      tile.template MultiplyRaw<kFloat, false>(a, weights, values, panel, fetch);
    }
    if (first_col + values < job.cols) {
      tile.Save(partial);
    } else {
      Finish(job, first_row, tile);
    }
  }
};

template <class Isa, bool kFloat, std::int64_t kRows>
void RunRows(const PanelJob& job, std::int64_t rows, std::int64_t first_row, std::int64_t first_col,
             std::int64_t values, const char* const* weights, Fetch& fetch) {
  if (rows == kRows) {
    TileJob<Isa, kRows>::template Run<kFloat>(job, first_row, first_col, values, weights, fetch);
  } else if constexpr (kRows > 1) {
    RunRows<Isa, kFloat, kRows - 1>(job, rows, first_row, first_col, values, weights, fetch);
  }
}

template <class Isa, bool kFloat>
void RunPanelOf(const PanelJob& job) {
  constexpr PanelShape kShape = Isa::kShape;
  const std::int64_t tiles = (job.row_count + kShape.tile_rows - 1) / kShape.tile_rows;
  const std::int64_t tile_steps = (job.cols + kShape.step - 1) / kShape.step * tiles;
  const std::int64_t lines = job.next == nullptr ? 0 : job.next_bytes / 64 + 1;
  Fetch fetch{job.next, job.next + lines * 64,
              static_cast<int>((lines + tile_steps - 1) / tile_steps)};
  for (std::int64_t col = 0; col < job.cols; col += kValuesPerBlock) {
    const std::int64_t left = job.cols - col;
    const std::int64_t values = left < kValuesPerBlock ? left : kValuesPerBlock;
    // Rows beyond the last weight row repeat it; their sums are not stored.
    const char* weights[Count(kShape.panel_rows)];
    for (std::int64_t c = 0; c < kShape.panel_rows; ++c) {
      const std::int64_t row = c < job.weight_rows ? c : job.weight_rows - 1;
      weights[c] = job.weights + (row * job.cols + col) * (kFloat ? 4 : 2);
    }
    for (std::int64_t row = 0; row < job.row_count; row += kShape.tile_rows) {
      if (fetch.at >= fetch.end) fetch.lines_per_step = 0;
      const std::int64_t rows_left = job.row_count - row;
      if (rows_left >= kShape.tile_rows) {
        TileJob<Isa, kShape.tile_rows>::template Run<kFloat>(job, row, col, values, weights, fetch);
      } else {
        RunRows<Isa, kFloat, kShape.tile_rows - 1>(job, rows_left, row, col, values, weights,
                                                   fetch);
      }
    }
  }
}

template <class Isa>
void RunPanel(const PanelJob& job) {
  if (job.weights_are_f32) {
    RunPanelOf<Isa, true>(job);
  } else {
    RunPanelOf<Isa, false>(job);
  }
}

// Packs the rows step by step, as the raw weights are expanded.
template <class Isa>
void PackTile(const float* const* rows, int count, std::int64_t cols, void* tile) {
  auto* to = static_cast<typename Isa::Vec*>(tile);
  constexpr std::int64_t kStep = Isa::kShape.step;
  for (std::int64_t col = 0; col < cols; col += kStep) {
    for (std::int64_t r = 0; r < count; ++r) {
      typename Isa::Vec vectors[Count(Isa::kVectorsPerStep)];
      if (cols - col >= kStep) {
        Isa::Pack(rows[r] + col, vectors);
      } else {
        float padded[Count(kStep)] = {};
        std::memcpy(padded, rows[r] + col, static_cast<std::size_t>(cols - col) * sizeof(float));
        Isa::Pack(padded, vectors);
      }
      for (std::int64_t v = 0; v < Isa::kVectorsPerStep; ++v) to[v * count + r] = vectors[v];
    }
    to += Isa::kVectorsPerStep * count;
  }
}

}  // namespace
}  // namespace sextant
