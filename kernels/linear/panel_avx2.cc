// Panel kernels with AVX2: f32 arithmetic, bf16 weights widened by a shift.
#include "kernels/linear/panel_impl.h"
#include "kernels/simd/simd_avx2.h"

namespace sextant {
namespace {

// Lane i of the result is the sum of the lanes of sums[i], always ((0+4)+(2+6)) + ((1+5)+(3+7)).
[[gnu::always_inline]] inline __m256 AddLanesOfEight(const __m256* sums) {
  __m256 half[4];
#pragma GCC unroll 4
  for (std::int64_t i = 0; i < 4; ++i) {
    half[i] = _mm256_add_ps(_mm256_blend_ps(sums[i], sums[i + 4], 0xf0),
                            _mm256_permute2f128_ps(sums[i], sums[i + 4], 0x21));
  }
  __m256 quarter[2];
#pragma GCC unroll 2
  for (std::int64_t i = 0; i < 2; ++i) {
    quarter[i] = _mm256_add_ps(_mm256_blend_ps(half[2 * i], half[2 * i + 1], 0xcc),
                               _mm256_shuffle_ps(half[2 * i], half[2 * i + 1], 0x4e));
  }
  return _mm256_add_ps(_mm256_shuffle_ps(quarter[0], quarter[1], 0x88),
                       _mm256_shuffle_ps(quarter[0], quarter[1], 0xdd));
}

// Sum kIndex of a tile's kSums, or zeros beyond them.
template <std::int64_t kSums, std::int64_t kIndex>
[[gnu::always_inline]] inline __m256 At(const __m256* acc) {
  if constexpr (kIndex < kSums) {
    return acc[kIndex];
  } else {
    return _mm256_setzero_ps();
  }
}

struct Avx2 {
  using Vec = __m256;
  using Acc = __m256;
  using F32 = F32x8;
  static constexpr PanelShape kShape = {.least_rows = 1,
                                        .tile_rows = 3,
                                        .panel_rows = 4,
                                        .step = 16,
                                        .value_bytes = 4,
                                        .accumulator_bytes = sizeof(__m256),
                                        .block_values = 1024};
  static constexpr int kVectorsPerStep = 2;  // even values, odd values
  static constexpr bool kKeepsPanel = true;

  // Measured on Zen 4: with one row the processor keeps up by itself, with two or three this saves
  // 5 to 15%; fetching into L1 as well adds nothing.
  static constexpr StreamFetch FetchFor(std::int64_t /*rows*/) { return {2048, 0}; }
  [[gnu::always_inline]] static Acc Zero() { return _mm256_setzero_ps(); }
  [[gnu::always_inline]] static Acc MultiplyAdd(Vec a, Vec b, Acc sum) {
    return _mm256_fmadd_ps(a, b, sum);
  }
  template <std::int64_t kSums, std::int64_t kFirst = 0>
  [[gnu::always_inline]] static void AddLanes(const Acc* acc, bool round, float* sums) {
    if constexpr (kFirst < kSums) {
      const __m256 eight[] = {At<kSums, kFirst>(acc),     At<kSums, kFirst + 1>(acc),
                              At<kSums, kFirst + 2>(acc), At<kSums, kFirst + 3>(acc),
                              At<kSums, kFirst + 4>(acc), At<kSums, kFirst + 5>(acc),
                              At<kSums, kFirst + 6>(acc), At<kSums, kFirst + 7>(acc)};
      F32x8 result = {AddLanesOfEight(eight)};
      if (round) result = result.RoundToBf16();
      result.Store(sums + kFirst);
      AddLanes<kSums, kFirst + 8>(acc, round, sums);
    }
  }

  template <bool kFloat>
  [[gnu::always_inline]] static void Expand(const char* from, Vec* to) {
    if constexpr (kFloat) {
      Split(_mm256_loadu_ps(reinterpret_cast<const float*>(from)),
            _mm256_loadu_ps(reinterpret_cast<const float*>(from) + 8), to);
    } else {
      const __m256i pairs = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
      to[0] = _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16));
      to[1] = _mm256_castsi256_ps(
          _mm256_and_si256(pairs, _mm256_set1_epi32(static_cast<int>(0xffff0000U))));
    }
  }
  [[gnu::always_inline]] static void Pack(const float* from, Vec* to) {
    Split(_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8), to);
  }

 private:
  [[gnu::always_inline]] static void Split(__m256 low, __m256 high, Vec* to) {
    const __m256 even = _mm256_shuffle_ps(low, high, 0x88);
    const __m256 odd = _mm256_shuffle_ps(low, high, 0xdd);
    to[0] = _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(even), 0xd8));
    to[1] = _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(odd), 0xd8));
  }
};

template <int kLeastRows, int kTileRows, int kPanelRows>
struct Tall : Avx2 {
  static constexpr PanelShape kShape = TallShape(Avx2::kShape, kLeastRows, kTileRows, kPanelRows);
  static constexpr bool kKeepsPanel = false;
};
using Avx2Rows4 = Tall<4, 4, 3>;
using Avx2Rows6 = Tall<5, 6, 2>;

}  // namespace

constinit const PanelKernels kPanelAvx2[kPanelTiles] = {
    {Avx2::kShape, PackTile<Avx2>, RunPanel<Avx2>},
    {Avx2Rows4::kShape, PackTile<Avx2Rows4>, RunPanel<Avx2Rows4>},
    {Avx2Rows6::kShape, PackTile<Avx2Rows6>, RunPanel<Avx2Rows6>},
};

}  // namespace sextant
