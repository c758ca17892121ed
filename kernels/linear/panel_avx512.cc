// Panel kernels with AVX-512: bf16 dot products, and f32 arithmetic for kFp32 and f32 weights.
#include "kernels/linear/panel_impl.h"

namespace sextant {
namespace {

[[gnu::always_inline]] inline __m256 FoldHalves(__m512 sum) {
  return _mm256_add_ps(_mm512_castps512_ps256(sum), _mm512_extractf32x8_ps(sum, 1));
}

struct Avx512Bf16 {
  using Vec = __m512i;  // 32 bf16 values in order
  using Acc = __m512;   // lane i adds the products of values 2i and 2i + 1
  static constexpr PanelShape kShape = {.tile_rows = 4,
                                        .panel_rows = 6,
                                        .step = 32,
                                        .value_bytes = 2,
                                        .accumulator_bytes = sizeof(__m512)};
  static constexpr int kVectorsPerStep = 1;
  static constexpr int kKeptVectors = 3;

  [[gnu::always_inline]] static Acc Zero() { return _mm512_setzero_ps(); }
  [[gnu::always_inline]] static Acc MultiplyAdd(Vec a, Vec b, Acc sum) {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b));
  }
  [[gnu::always_inline]] static __m256 Fold(Acc sum) { return FoldHalves(sum); }

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
  using Acc = __m512;
  static constexpr PanelShape kShape = {.tile_rows = 4,
                                        .panel_rows = 6,
                                        .step = 32,
                                        .value_bytes = 4,
                                        .accumulator_bytes = sizeof(__m512)};
  static constexpr int kVectorsPerStep = 2;  // even values, odd values
  static constexpr int kKeptVectors = 3;

  [[gnu::always_inline]] static Acc Zero() { return _mm512_setzero_ps(); }
  [[gnu::always_inline]] static Acc MultiplyAdd(Vec a, Vec b, Acc sum) {
    return _mm512_fmadd_ps(a, b, sum);
  }
  [[gnu::always_inline]] static __m256 Fold(Acc sum) { return FoldHalves(sum); }

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

}  // namespace

constinit const PanelKernels kPanelAvx512 = {Avx512::kShape, PackTile<Avx512>, RunPanel<Avx512>};
constinit const PanelKernels kPanelAvx512Bf16 = {Avx512Bf16::kShape, PackTile<Avx512Bf16>,
                                       RunPanelOf<Avx512Bf16, false>};

}  // namespace sextant
