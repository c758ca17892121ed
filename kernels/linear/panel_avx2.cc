// Panel kernels with AVX2: f32 arithmetic, bf16 weights widened by a shift.
#include "kernels/linear/panel_impl.h"

namespace sextant {
namespace {

struct Avx2 {
  using Vec = __m256;
  using Acc = __m256;
  static constexpr PanelShape kShape = {.tile_rows = 3,
                                        .panel_rows = 4,
                                        .step = 16,
                                        .value_bytes = 4,
                                        .accumulator_bytes = sizeof(__m256)};
  static constexpr int kVectorsPerStep = 2;  // even values, odd values
  static constexpr int kKeptVectors = 2;

  [[gnu::always_inline]] static Acc Zero() { return _mm256_setzero_ps(); }
  [[gnu::always_inline]] static Acc MultiplyAdd(Vec a, Vec b, Acc sum) {
    return _mm256_fmadd_ps(a, b, sum);
  }
  [[gnu::always_inline]] static __m256 Fold(Acc sum) { return sum; }

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

}  // namespace

constinit const PanelKernels kPanelAvx2 = {Avx2::kShape, PackTile<Avx2>, RunPanel<Avx2>};

}  // namespace sextant
