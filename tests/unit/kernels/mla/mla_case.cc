#include "tests/unit/kernels/mla/mla_case.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

namespace sextant {
namespace {

std::vector<float> Normal(std::int64_t count, double deviation, bool round, std::uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0F, static_cast<float>(deviation));
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) {
    const float x = normal(generator);
    value = round ? RoundToBf16(x) : x;
  }
  return values;
}

double LargestRowNorm(const std::vector<float>& values, std::int64_t cols) {
  double largest = 0;
  for (std::size_t begin = 0; begin < values.size(); begin += static_cast<std::size_t>(cols)) {
    double sum = 0;
    for (std::size_t i = begin; i < begin + static_cast<std::size_t>(cols); ++i) {
      sum += static_cast<double>(values[i]) * static_cast<double>(values[i]);
    }
    largest = std::max(largest, std::sqrt(sum));
  }
  return largest;
}

}  // namespace

MlaCase::MlaCase(const MlaCaseOptions& options) : options_(options) {
  const MlaDims& dims = options.dims;
  const bool round = options.precision == Precision::kBf16;
  const std::int64_t width = dims.cache_width();
  scale_ = static_cast<float>(1.6 / std::sqrt(static_cast<double>(dims.q_width())));
  latents_ = Normal(options.length * width, 1.0, round, options.seed);
  q_ = Normal(options.length * dims.num_heads * dims.q_width(), 1.0, round, options.seed + 1);
  weights_ = Normal(dims.num_heads * (dims.nope + dims.v) * dims.rank,
                    1.0 / std::sqrt(static_cast<double>(dims.rank)), options.weight == DType::kBf16,
                    options.seed + 2);
  for (const float weight : weights_) weights16_.push_back(ToBf16(weight));

  const std::int64_t used = (options.length + options.block_tokens - 1) / options.block_tokens;
  std::vector<std::int32_t> order(static_cast<std::size_t>(used + 3));
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), std::mt19937(options.seed + 3));
  blocks_.assign(order.begin(), order.begin() + used);
  cache_.assign(order.size() * static_cast<std::size_t>(options.block_tokens * width),
                std::numeric_limits<float>::quiet_NaN());
  for (std::int64_t p = 0; p < options.length; ++p) {
    const std::int64_t block = blocks_[static_cast<std::size_t>(p / options.block_tokens)];
    const std::int64_t slot = block * options.block_tokens + p % options.block_tokens;
    std::copy_n(latents_.begin() + p * width, width, cache_.begin() + slot * width);
  }
  for (const float value : cache_) cache16_.push_back(ToBf16(value));
}

LatentCacheView MlaCase::cache() {
  const std::int64_t width = options_.dims.cache_width();
  const bool bf16 = options_.precision == Precision::kBf16;
  return {.data = bf16 ? static_cast<void*>(cache16_.data()) : static_cast<void*>(cache_.data()),
          .dtype = StorageType(options_.precision),
          .num_blocks = static_cast<std::int64_t>(cache_.size()) / (width * options_.block_tokens),
          .block_tokens = options_.block_tokens,
          .width = width};
}

WeightView MlaCase::kv_b() const {
  const MlaDims& dims = options_.dims;
  const bool bf16 = options_.weight == DType::kBf16;
  return {.data = bf16 ? static_cast<const void*>(weights16_.data())
                       : static_cast<const void*>(weights_.data()),
          .dtype = options_.weight,
          .rows = dims.num_heads * (dims.nope + dims.v),
          .cols = dims.rank};
}

MatrixView<const float> MlaCase::q() const {
  return {q_.data(), options_.length, options_.dims.num_heads * options_.dims.q_width()};
}

double MlaCase::Tolerance() const {
  const MlaDims& dims = options_.dims;
  const double u = std::ldexp(1.0, -24);
  const double flip = options_.precision == Precision::kBf16 ? std::ldexp(1.0, -8) : 0.0;
  const double rank = static_cast<double>(dims.rank);
  const double width = static_cast<double>(dims.q_width());
  const double keys = static_cast<double>(options_.length);
  const double latent = LargestRowNorm(latents_, dims.cache_width());
  const double weight = LargestRowNorm(weights_, dims.rank);
  const double q = LargestRowNorm(q_, dims.q_width());
  // One element of K or V, and a key's norm, are at most so large and so wrong.
  const double expanded = weight * latent;
  const double expanded_error = expanded * (rank * u + flip);
  const double key_norm = std::sqrt(static_cast<double>(dims.nope)) * expanded + latent;
  const double key_error = std::sqrt(static_cast<double>(dims.nope)) * expanded_error;
  const double score = static_cast<double>(scale_) * q * key_norm;
  const double score_error =
      static_cast<double>(scale_) * q * key_error + score * ((width + rank) * u + 2.0 * flip);
  // A softmax weight moves by up to twice the score's error; the rest are sums over keys.
  return expanded * (std::expm1(2.0 * score_error) + keys * u + 2.0 * flip) + expanded_error;
}

double RmsDifference(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    sum += difference * difference;
  }
  return std::sqrt(sum / static_cast<double>(a.size()));
}

double Rms(const std::vector<float>& a) {
  return RmsDifference(a, std::vector<float>(a.size(), 0.0F));
}

}  // namespace sextant
