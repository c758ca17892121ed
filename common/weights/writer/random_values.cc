#include "common/weights/writer/random_values.h"

#include <cmath>
#include <numbers>

#include "common/base/check.h"

namespace sextant {
namespace {

constexpr std::size_t kTableSize = 1 << 16;
constexpr std::uint64_t kGoldenGamma = 0x9e3779b97f4a7c15U;

std::uint64_t Mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31);
}

// The upper half of the quantiles, from the median outwards: Newton's method on
// Phi(x) = p starts from the neighbour's solution.
std::vector<double> UpperQuantiles() {
  std::vector<double> quantiles(kTableSize / 2);
  double x = 0;
  for (std::size_t i = 0; i < quantiles.size(); ++i) {
    const double upper_tail = 0.5 - (static_cast<double>(i) + 0.5) / kTableSize;
    for (int step = 0; step < 4; ++step) {
      const double tail = 0.5 * std::erfc(x / std::numbers::sqrt2);
      const double density = std::exp(-0.5 * x * x) / std::sqrt(2 * std::numbers::pi);
      x += (tail - upper_tail) / density;
    }
    quantiles[i] = x;
  }
  return quantiles;
}

}  // namespace

std::uint64_t RandomKey(std::uint64_t seed, absl::string_view tensor_name) {
  std::uint64_t hash = 0xcbf29ce484222325U;  // FNV-1a, 64 bits
  for (const char c : tensor_name) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  }
  return Mix(Mix(seed + kGoldenGamma) ^ hash);
}

RandomValues::RandomValues(double mean, double stddev) : table_(kTableSize) {
  static const std::vector<double> quantiles = UpperQuantiles();
  for (std::size_t i = 0; i < quantiles.size(); ++i) {
    table_[kTableSize / 2 + i] = ToBf16(static_cast<float>(mean + stddev * quantiles[i]));
    table_[kTableSize / 2 - 1 - i] = ToBf16(static_cast<float>(mean - stddev * quantiles[i]));
  }
}

void RandomValues::Fill(std::uint64_t key, std::int64_t begin, absl::Span<Bf16> out) const {
  CHECK_EQ(begin % 4, 0);
  std::uint64_t counter = key + static_cast<std::uint64_t>(begin / 4) * kGoldenGamma;
  std::size_t i = 0;
  for (; i + 4 <= out.size(); i += 4) {
    const std::uint64_t word = Mix(counter += kGoldenGamma);
    out[i] = table_[word & 0xffff];
    out[i + 1] = table_[(word >> 16) & 0xffff];
    out[i + 2] = table_[(word >> 32) & 0xffff];
    out[i + 3] = table_[word >> 48];
  }
  if (i == out.size()) return;
  for (std::uint64_t word = Mix(counter + kGoldenGamma); i < out.size(); ++i, word >>= 16) {
    out[i] = table_[word & 0xffff];
  }
}

}  // namespace sextant
