// The panel kernels, written once for every instruction set (see panel.h and panel_tile.h).
#pragma once

#include <cstdint>
#include <cstring>

#include "common/tensor/float_types.h"
#include "kernels/linear/panel.h"
#include "kernels/linear/panel_tile.h"

namespace sextant {
namespace {

template <class F32>
[[gnu::always_inline]] inline F32 Silu(F32 v) {
  return v / (F32::Broadcast(1.0F) + F32::Exp(F32::Zero() - v));
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

// kStreams: in place, rows that go on in the next panel. kTail: in place, the last values, which do
// not fill a step.
enum class WeightSource { kRaw, kRawKeep, kStreams, kPacked, kTail };

// A range of K of a panel.
struct Block {
  std::int64_t first_col;
  std::int64_t values;
  bool last;
  const char* weights;      // row 0 at first_col
  std::int64_t offsets[8];  // of the panel's other rows, in bytes
};

template <class Isa, std::int64_t kRows>
struct TileJob {
  using T = Tile<Isa, kRows>;
  using F32 = typename Isa::F32;
  static constexpr std::int64_t kCols = T::kCols;

  static void Store(const PanelJob& job, std::int64_t first_row, const float* sums) {
    float* y = job.y + first_row * job.y_stride;
    for (std::int64_t r = 0; r < kRows; ++r, y += job.y_stride) {
      if (job.weight_rows == kCols && job.row_stride == 1) {
        std::memcpy(y, sums + r * kCols, Count(kCols) * sizeof(float));
      } else {
        for (std::int64_t c = 0; c < job.weight_rows; ++c) {
          y[c * job.row_stride] = sums[r * kCols + c];
        }
      }
    }
  }

  static void Gate(const PanelJob& job, std::int64_t first_row, const float* gates,
                   const float* ups) {
    F32 products[Count(T::kSumVectors)];
#pragma GCC unroll 4
    for (std::int64_t i = 0; i < T::kSumVectors; ++i) {
      F32 gate = Silu(F32::Load(gates + F32::kLanes * i));
      if (job.round) gate = gate.RoundToBf16();
      products[i] = gate * F32::Load(ups + F32::kLanes * i);
      if (job.round) products[i] = products[i].RoundToBf16();
    }
    const PackedTarget& to = job.gated;
    const std::int64_t padded =
        (to.cols + Isa::kShape.step - 1) / Isa::kShape.step * Isa::kShape.step;
    char* tile = static_cast<char*>(to.data) + first_row * padded * to.value_bytes;
    if (to.value_bytes == 2) {
      PutBf16(job, tile, products);
    } else {
      PutF32(job, tile, products);
    }
  }

  // Values of one row lie side by side unless a step ends between them.
  static void PutBf16(const PanelJob& job, char* tile, const F32* products) {
    Bf16 values[Count(T::kPaddedSums)];
    for (std::int64_t i = 0; i < T::kSumVectors; ++i) products[i].Store(values + F32::kLanes * i);
    const std::int64_t col = job.gated.col;
    char* at = tile + PackedOffset<Isa>(kRows, 0, col, 2) * 2;
    constexpr std::int64_t kRowBytes = Isa::kShape.step * 2;
    if (job.weight_rows == kCols && job.row_stride == 1 &&
        col % Isa::kShape.step <= Isa::kShape.step - kCols) {
      for (std::int64_t r = 0; r < kRows; ++r) {
        std::memcpy(at + r * kRowBytes, values + r * kCols, Count(kCols) * 2);
      }
      return;
    }
    for (std::int64_t c = 0; c < job.weight_rows; ++c) {
      at = tile + PackedOffset<Isa>(kRows, 0, col + c * job.row_stride, 2) * 2;
      for (std::int64_t r = 0; r < kRows; ++r) {
        std::memcpy(at + r * kRowBytes, values + r * kCols + c, 2);
      }
    }
  }

  static void PutF32(const PanelJob& job, char* tile, const F32* products) {
    float values[Count(T::kPaddedSums)];
    for (std::int64_t i = 0; i < T::kSumVectors; ++i) products[i].Store(values + F32::kLanes * i);
    for (std::int64_t c = 0; c < job.weight_rows; ++c) {
      const std::int64_t col = job.gated.col + c * job.row_stride;
      char* at = tile + PackedOffset<Isa>(kRows, 0, col, 4) * 4;
      for (std::int64_t r = 0; r < kRows; ++r) {
        std::memcpy(at + r * Isa::kShape.step / 2 * 4, values + r * kCols + c, 4);
      }
    }
  }

  static void Finish(const PanelJob& job, std::int64_t first_row, const float* sums) {
    if (job.finish == PanelFinish::kStore) return Store(job, first_row, sums);
    float* kept = job.workspace.kept +
                  first_row / Isa::kShape.tile_rows * Tile<Isa, Isa::kShape.tile_rows>::kPaddedSums;
    if (job.finish == PanelFinish::kKeep) {
      std::memcpy(kept, sums, Count(T::kPaddedSums) * sizeof(float));
    } else {
      Gate(job, first_row, kept, sums);
    }
  }

  [[gnu::always_inline]] static typename T::Acc* Partial(const PanelJob& job,
                                                         std::int64_t first_row) {
    return static_cast<typename T::Acc*>(job.workspace.partial) +
           first_row * Isa::kShape.panel_rows;
  }

  // The block of K times these rows: one function per source of the weights, so that each inner
  // loop has the registers to itself.
  template <bool kFloat, WeightSource kSource>
  [[gnu::noinline]] static void RunFrom(const PanelJob& job, const Block& block,
                                        std::int64_t first_row, const Fetch& fetch) {
    const std::int64_t padded =
        (job.cols + Isa::kShape.step - 1) / Isa::kShape.step * Isa::kShape.step;
    const auto* a = reinterpret_cast<const typename T::Vec*>(
        static_cast<const char*>(job.rows) +
        (first_row * padded + block.first_col * kRows) * Isa::kShape.value_bytes);
    auto* panel = static_cast<typename T::Vec*>(job.workspace.panel);
    T tile;
    if (block.first_col == 0) {
      tile.Clear();
    } else {
      tile.Restore(Partial(job, first_row));
    }
    const std::int64_t steps = block.values / Isa::kShape.step;
    if constexpr (kSource == WeightSource::kTail) {
      tile.template MultiplyTail<kFloat>(a, block.weights, block.offsets, block.values);
    } else if constexpr (kSource == WeightSource::kPacked) {
      tile.MultiplyPacked(a, panel, steps, fetch);
    } else {
      tile.template MultiplyRaw<kFloat, kSource == WeightSource::kRawKeep,
                                kSource == WeightSource::kStreams>(a, block.weights, block.offsets,
                                                                   steps, panel, fetch);
    }
    if (!block.last) {
      tile.Save(Partial(job, first_row));
    } else {
      alignas(64) float sums[Count(T::kPaddedSums)];
      Isa::template AddLanes<T::kSums>(tile.acc, job.round, sums);
      Finish(job, first_row, sums);
    }
  }

  template <bool kFloat>
  static void Run(const PanelJob& job, const Block& block, std::int64_t first_row,
                  const Fetch& fetch) {
    if (block.values < Isa::kShape.step) {
      return RunFrom<kFloat, WeightSource::kTail>(job, block, first_row, fetch);
    }
    if constexpr (Isa::kKeepsPanel) {
      if (first_row > 0) {
        return RunFrom<kFloat, WeightSource::kPacked>(job, block, first_row, fetch);
      }
      if (job.row_count > kRows) {
        return RunFrom<kFloat, WeightSource::kRawKeep>(job, block, first_row, fetch);
      }
    }
    RunFrom<kFloat, WeightSource::kRaw>(job, block, first_row, fetch);
  }
};

// The last rows, which do not fill a tile.
template <class Isa, bool kFloat, std::int64_t kRows>
void RunRest(const PanelJob& job, const Block& block, std::int64_t first_row, const Fetch& fetch) {
  if (job.row_count - first_row == kRows) {
    TileJob<Isa, kRows>::template Run<kFloat>(job, block, first_row, fetch);
  } else if constexpr (kRows > Isa::kShape.least_rows) {
    RunRest<Isa, kFloat, kRows - 1>(job, block, first_row, fetch);
  }
}

// All rows of x times one panel.
template <class Isa, bool kFloat>
void RunOnePanel(const PanelJob& job, Block block, std::int64_t tiles) {
  constexpr PanelShape kShape = Isa::kShape;
  constexpr std::int64_t kValueBytes = kFloat ? 4 : 2;
  // Blocks of equal size, and what does not fill a step as one of its own.
  const std::int64_t steps = job.cols / kShape.step;
  const std::int64_t block_steps = kShape.block_values / kShape.step;
  const std::int64_t blocks = tiles == 1 ? 1 : (steps + block_steps - 1) / block_steps;
  FetchPlan plan(job.next, job.next_bytes, steps * tiles);
  for (std::int64_t i = 0; block.first_col < job.cols; ++i, block.first_col += block.values) {
    block.values = i < blocks && steps > 0
                       ? (steps / blocks + (i < steps % blocks ? 1 : 0)) * kShape.step
                       : job.cols % kShape.step;
    block.last = block.first_col + block.values == job.cols;
    block.weights = job.weights + block.first_col * kValueBytes;
    std::int64_t row = 0;
    for (; job.row_count - row >= kShape.tile_rows; row += kShape.tile_rows) {
      const Fetch fetch = plan.Take(block.values / kShape.step);
      TileJob<Isa, kShape.tile_rows>::template Run<kFloat>(job, block, row, fetch);
    }
    if constexpr (kShape.tile_rows > kShape.least_rows) {
      if (row == job.row_count) continue;
      const Fetch fetch = plan.Take(block.values / kShape.step);
      RunRest<Isa, kFloat, kShape.tile_rows - 1>(job, block, row, fetch);
    }
  }
}

template <class Isa, bool kFloat>
void GoToNextPanel(PanelJob& job) {
  job.weights += job.cols * (kFloat ? 4 : 2);
  if (job.finish == PanelFinish::kStore) {
    job.y += 1;
  } else {
    job.gated.col += 1;
    job.workspace.kept += KeptPerTile(Isa::kShape);
  }
}

// One tile times panel after panel, with nothing between them that would hold up their reading.
template <class Isa, bool kFloat, std::int64_t kRows>
void RunTileOfRows(PanelJob job, Block block) {
  if (job.row_count != kRows) {
    if constexpr (kRows > Isa::kShape.least_rows) RunTileOfRows<Isa, kFloat, kRows - 1>(job, block);
    return;
  }
  block.values = job.cols;
  block.last = true;
  for (std::int64_t panel = 0; panel < job.panels; ++panel) {
    block.weights = job.weights;
    TileJob<Isa, kRows>::template RunFrom<kFloat, WeightSource::kStreams>(job, block, 0, {});
    GoToNextPanel<Isa, kFloat>(job);
  }
}

template <class Isa, bool kFloat>
void RunPanelOf(const PanelJob& job) {
  constexpr PanelShape kShape = Isa::kShape;
  constexpr std::int64_t kValueBytes = kFloat ? 4 : 2;
  Block block{};
  // Rows beyond the last weight row repeat it; their sums are not stored.
  for (std::int64_t c = 0; c < kShape.panel_rows; ++c) {
    const std::int64_t row = c < job.weight_rows ? c : job.weight_rows - 1;
    block.offsets[c] = row * job.row_stride * job.cols * kValueBytes;
  }
  const std::int64_t tiles = (job.row_count + kShape.tile_rows - 1) / kShape.tile_rows;
  if (tiles == 1 && job.cols % kShape.step == 0) {
    return RunTileOfRows<Isa, kFloat, kShape.tile_rows>(job, block);
  }
  PanelJob one = job;
  if (one.next == nullptr) {
    one.next = static_cast<const char*>(job.rows);  // what is cheap to fetch
    one.next_bytes = 0;
  }
  for (std::int64_t panel = 0; panel < job.panels; ++panel) {
    RunOnePanel<Isa, kFloat>(one, block, tiles);
    GoToNextPanel<Isa, kFloat>(one);
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
