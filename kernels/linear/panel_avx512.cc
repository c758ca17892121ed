// Panel kernels with AVX-512: bf16 dot products, and f32 arithmetic for kFp32 and f32 weights.
#include "kernels/linear/panel_impl.h"
#include "kernels/simd/simd_avx512.h"

namespace sextant {
namespace {

// Adding the lanes of one vector per output, always as (((0+8)+(4+12)) + ((2+10)+(6+14))) + (the
// same of the odd lanes). Whole registers all the way, and blends for shuffles: the registers in
// flight and the shuffle units limit how far the next tile's products overlap this.

// [eight lanes of a | eight of b]
[[gnu::always_inline]] inline __m512 AddHalves(__m512 a, __m512 b) {
  return _mm512_add_ps(_mm512_mask_blend_ps(0xff00, a, b), _mm512_shuffle_f32x4(a, b, 0x4e));
}
// Of two pairs of halves: four lanes of each.
[[gnu::always_inline]] inline __m512 AddQuarters(__m512 ab, __m512 cd) {
  return _mm512_add_ps(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xdd));
}
[[gnu::always_inline]] inline __m512 AddEighths(__m512 a, __m512 b) {
  return _mm512_add_ps(_mm512_mask_blend_ps(0xcccc, a, b), _mm512_shuffle_ps(a, b, 0x4e));
}
[[gnu::always_inline]] inline __m512 AddPairs(__m512 a, __m512 b) {
  return _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x88), _mm512_shuffle_ps(a, b, 0xdd));
}

// Sum kIndex of a tile's kSums, or zeros beyond them.
template <std::int64_t kSums, std::int64_t kIndex>
[[gnu::always_inline]] inline __m512 At(const __m512* acc) {
  if constexpr (kIndex < kSums) {
    return acc[kIndex];
  } else {
    return _mm512_setzero_ps();
  }
}

// Outputs kFirst, kFirst + 4, kFirst + 8 and kFirst + 12, four lanes each.
template <std::int64_t kSums, std::int64_t kFirst>
[[gnu::always_inline]] inline __m512 AddToQuarters(const __m512* acc) {
  return AddQuarters(AddHalves(At<kSums, kFirst>(acc), At<kSums, kFirst + 4>(acc)),
                     AddHalves(At<kSums, kFirst + 8>(acc), At<kSums, kFirst + 12>(acc)));
}
// Lane i: output kFirst + i.
template <std::int64_t kSums, std::int64_t kFirst>
[[gnu::always_inline]] inline __m512 AddLanesOf16(const __m512* acc) {
  return AddPairs(
      AddEighths(AddToQuarters<kSums, kFirst>(acc), AddToQuarters<kSums, kFirst + 1>(acc)),
      AddEighths(AddToQuarters<kSums, kFirst + 2>(acc), AddToQuarters<kSums, kFirst + 3>(acc)));
}
// The same for 8.
template <std::int64_t kSums, std::int64_t kFirst>
[[gnu::always_inline]] inline __m512 AddLanesOf8(const __m512* acc) {
  const __m512 even =
      AddQuarters(AddHalves(At<kSums, kFirst>(acc), At<kSums, kFirst + 4>(acc)),
                  AddHalves(At<kSums, kFirst + 2>(acc), At<kSums, kFirst + 6>(acc)));
  const __m512 odd = AddQuarters(AddHalves(At<kSums, kFirst + 1>(acc), At<kSums, kFirst + 5>(acc)),
                                 AddHalves(At<kSums, kFirst + 3>(acc), At<kSums, kFirst + 7>(acc)));
  const __m512 eighths = AddEighths(even, odd);
  const __m512 sums = AddPairs(eighths, eighths);  // 0 1 0 1, 4 5 4 5, 2 3 2 3, 6 7 6 7
  const __m512i order = _mm512_setr_epi64(0, 4, 2, 6, 0, 4, 2, 6);
  return _mm512_castpd_ps(_mm512_permutexvar_pd(order, _mm512_castps_pd(sums)));
}

// All sums of a tile, padded to whole vectors.
template <std::int64_t kSums, std::int64_t kFirst = 0>
[[gnu::always_inline]] inline void AddTileLanes(const __m512* acc, bool round, float* sums) {
  if constexpr (kSums - kFirst > 8) {
    const __m512 result = AddLanesOf16<kSums, kFirst>(acc);
    _mm512_store_ps(sums + kFirst, round ? F32x16{result}.RoundToBf16().v : result);
    AddTileLanes<kSums, kFirst + 16>(acc, round, sums);
  } else if constexpr (kSums > kFirst) {
    const __m512 result = AddLanesOf8<kSums, kFirst>(acc);
    _mm512_store_ps(sums + kFirst, round ? F32x16{result}.RoundToBf16().v : result);
  }
}

// Measured on Zen 4, cold weights: 3 to 9% less time with one or two rows than without, 10% with
// three or four, a third with more. All into L1 at once is slower than nothing.
constexpr StreamFetch StreamFetchFor(std::int64_t rows) {
  return rows < 3 ? StreamFetch{1024, 256} : StreamFetch{2048, 512};
}

struct Avx512Bf16 {
  using Vec = __m512i;  // 32 bf16 values in order
  using F32 = F32x16;
  using Acc = __m512;  // lane i adds the products of values 2i and 2i + 1
  static constexpr PanelShape kShape = {.least_rows = 1,
                                        .tile_rows = 4,
                                        .panel_rows = 6,
                                        .step = 32,
                                        .value_bytes = 2,
                                        .accumulator_bytes = sizeof(__m512),
                                        .block_values = 2048};
  static constexpr int kVectorsPerStep = 1;
  static constexpr bool kKeepsPanel = false;  // reading it in place again costs nothing

  static constexpr StreamFetch FetchFor(std::int64_t rows) { return StreamFetchFor(rows); }
  [[gnu::always_inline]] static Acc Zero() { return _mm512_setzero_ps(); }
  [[gnu::always_inline]] static Acc MultiplyAdd(Vec a, Vec b, Acc sum) {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b));
  }
  template <std::int64_t kSums>
  [[gnu::always_inline]] static void AddLanes(const Acc* acc, bool round, float* sums) {
    AddTileLanes<kSums>(acc, round, sums);
  }

  template <bool kFloat>
  [[gnu::always_inline]] static void Expand(const char* from, Vec* to) {
    static_assert(!kFloat);
    to[0] = _mm512_loadu_si512(from);
  }
  [[gnu::always_inline]] static void Pack(const float* from, Vec* to) {
    to[0] = reinterpret_cast<__m512i>(
        _mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + 16), _mm512_loadu_ps(from)));
  }
};

struct Avx512 {
  using Vec = __m512;
  using F32 = F32x16;
  using Acc = __m512;
  // 704 values: 17 KiB of panel, which leave room in the L1 cache for the rows that pass by.
  static constexpr PanelShape kShape = {.least_rows = 1,
                                        .tile_rows = 4,
                                        .panel_rows = 6,
                                        .step = 32,
                                        .value_bytes = 4,
                                        .accumulator_bytes = sizeof(__m512),
                                        .block_values = 704};
  static constexpr int kVectorsPerStep = 2;  // even values, odd values
  static constexpr bool kKeepsPanel = true;

  static constexpr StreamFetch FetchFor(std::int64_t rows) { return StreamFetchFor(rows); }
  [[gnu::always_inline]] static Acc Zero() { return _mm512_setzero_ps(); }
  [[gnu::always_inline]] static Acc MultiplyAdd(Vec a, Vec b, Acc sum) {
    return _mm512_fmadd_ps(a, b, sum);
  }
  template <std::int64_t kSums>
  [[gnu::always_inline]] static void AddLanes(const Acc* acc, bool round, float* sums) {
    AddTileLanes<kSums>(acc, round, sums);
  }

  template <bool kFloat>
  [[gnu::always_inline]] static void Expand(const char* from, Vec* to) {
    if constexpr (kFloat) {
      Pack(reinterpret_cast<const float*>(from), to);
    } else {
      const __m512i pairs = _mm512_loadu_si512(from);
      to[0] = _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16));
      to[1] = _mm512_castsi512_ps(
          _mm512_and_si512(pairs, _mm512_set1_epi32(static_cast<int>(0xffff0000U))));
    }
  }
  [[gnu::always_inline]] static void Pack(const float* from, Vec* to) {
    const __m512 low = _mm512_loadu_ps(from);
    const __m512 high = _mm512_loadu_ps(from + 16);
    const __m512i even =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    to[0] = _mm512_permutex2var_ps(low, even, high);
    to[1] = _mm512_permutex2var_ps(low, odd, high);
  }
};

template <class Isa, int kLeastRows, int kTileRows, int kPanelRows>
struct Tall : Isa {
  static constexpr PanelShape kShape = TallShape(Isa::kShape, kLeastRows, kTileRows, kPanelRows);
  static constexpr bool kKeepsPanel = false;
};
using Avx512Rows6 = Tall<Avx512, 5, 6, 4>;
using Avx512Rows8 = Tall<Avx512, 7, 8, 3>;
using Bf16Rows6 = Tall<Avx512Bf16, 5, 6, 4>;
using Bf16Rows8 = Tall<Avx512Bf16, 7, 8, 3>;

}  // namespace

constinit const PanelKernels kPanelAvx512[kPanelTiles] = {
    {Avx512::kShape, PackTile<Avx512>, RunPanel<Avx512>},
    {Avx512Rows6::kShape, PackTile<Avx512Rows6>, RunPanel<Avx512Rows6>},
    {Avx512Rows8::kShape, PackTile<Avx512Rows8>, RunPanel<Avx512Rows8>},
};
constinit const PanelKernels kPanelAvx512Bf16[kPanelTiles] = {
    {Avx512Bf16::kShape, PackTile<Avx512Bf16>, RunPanelOf<Avx512Bf16, false>},
    {Bf16Rows6::kShape, PackTile<Bf16Rows6>, RunPanelOf<Bf16Rows6, false>},
    {Bf16Rows8::kShape, PackTile<Bf16Rows8>, RunPanelOf<Bf16Rows8, false>},
};

}  // namespace sextant
