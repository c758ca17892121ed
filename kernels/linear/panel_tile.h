// The register tile of the panel kernels: the partial sums of a few rows times a panel.
//
// An Isa names a vector of packed values and of partial sums, and how to multiply, expand and add
// up; it lives in an anonymous namespace, so everything instantiated with it stays in its file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/linear/panel_fetch.h"

namespace sextant {
namespace {

// An array's size.
constexpr std::size_t Count(std::int64_t count) { return static_cast<std::size_t>(count); }

template <class Isa, std::int64_t kRows>
struct Tile {
  static constexpr std::int64_t kCols = Isa::kShape.panel_rows;
  static constexpr std::int64_t kSums = kRows * kCols;
  static constexpr std::int64_t kSumVectors = (kSums + Isa::F32::kLanes - 1) / Isa::F32::kLanes;
  static constexpr std::int64_t kPaddedSums = kSumVectors * Isa::F32::kLanes;
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

  // One step of a panel whose rows lie side by side, expanded.
  [[gnu::always_inline]] void PackedStep(const Vec* a, const Vec* b) {
#pragma GCC unroll 2
    for (std::int64_t v = 0; v < kPerStep; ++v) {
#pragma GCC unroll 8
      for (std::int64_t c = 0; c < kCols; ++c) {
#pragma GCC unroll 8
        for (std::int64_t r = 0; r < kRows; ++r) {
          acc[r * kCols + c] =
              Isa::MultiplyAdd(a[v * kRows + r], b[v * kCols + c], acc[r * kCols + c]);
        }
      }
    }
  }

  // One step of weight rows in place, `at` for row 0 and offset[c] bytes further for row c.
  template <bool kFloat, bool kKeep>
  [[gnu::always_inline]] void RawStep(const Vec* a, const char* at, const std::int64_t* offset,
                                      Vec* keep) {
#pragma GCC unroll 8
    for (std::int64_t c = 0; c < kCols; ++c) {
      Vec b[Count(kPerStep)];
      Isa::template Expand<kFloat>(at + offset[c], b);
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

  [[gnu::always_inline]] void MultiplyPacked(const Vec* a, const Vec* b, std::int64_t steps,
                                             Fetch fetch) {
    for (; steps > 0; --steps) {
      fetch.Step();
      PackedStep(a, b);
      a += kPerStep * kRows;
      b += kPerStep * kCols;
    }
  }

  // Weight rows that are streams: each is fetched into the L2 cache so far ahead, across its end
  // into the row of the next panel, where the processor does not look by itself; and, where that
  // pays, from there into the L1 cache as what leaves it first, so that the rows of x stay.
  [[gnu::always_inline]] static void FetchStreams(const char* at, const std::int64_t* offset) {
    constexpr StreamFetch kFetch = Isa::FetchFor(kRows);
#pragma GCC unroll 8
    for (std::int64_t c = 0; c < kCols; ++c) {
      _mm_prefetch(at + offset[c] + kFetch.far_bytes, _MM_HINT_T1);
      if constexpr (kFetch.near_bytes > 0) {
        _mm_prefetch(at + offset[c] + kFetch.near_bytes, _MM_HINT_NTA);
      }
    }
  }

  // Whole steps of every weight row. The sums must not be alive across a call anywhere in the
  // function that this becomes part of, or the compiler keeps them in memory.
  template <bool kFloat, bool kKeep, bool kStreams>
  [[gnu::always_inline]] void MultiplyRaw(const Vec* a, const char* at, const std::int64_t* offsets,
                                          std::int64_t steps, Vec* keep, Fetch fetch) {
    std::int64_t offset[Count(kCols)];
    offset[0] = 0;
#pragma GCC unroll 8
    for (std::int64_t c = 1; c < kCols; ++c) {
      offset[c] = offsets[c];
      // One register each: taken apart from a vector they would queue behind the products.
      asm("" : "+r"(offset[c]));
    }
    for (; steps > 0; --steps) {
      if constexpr (kStreams) {
        FetchStreams(at, offset);
      } else {
        fetch.Step();
      }
      RawStep<kFloat, kKeep>(a, at, offset, keep);
      a += kPerStep * kRows;
      at += Isa::kShape.step * (kFloat ? 4 : 2);
      if constexpr (kKeep) keep += kPerStep * kCols;
    }
  }

  // The rest of K, less than a step, padded with zeros.
  template <bool kFloat>
  void MultiplyTail(const Vec* a, const char* at, const std::int64_t* offsets,
                    std::int64_t values) {
    constexpr std::int64_t kValueBytes = kFloat ? 4 : 2;
    constexpr std::int64_t kStepBytes = Isa::kShape.step * kValueBytes;
    char padded[Count(kCols)][Count(kStepBytes)] = {};
    std::int64_t offset[Count(kCols)];
    for (std::int64_t c = 0; c < kCols; ++c) {
      std::memcpy(padded[c], at + offsets[c], Count(values * kValueBytes));
      offset[c] = c * kStepBytes;
    }
    RawStep<kFloat, false>(a, padded[0], offset, nullptr);
  }
};

}  // namespace
}  // namespace sextant
