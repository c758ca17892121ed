#include "kernels/mla/mla_reference.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "common/tensor/float_types.h"

namespace sextant {
namespace {

double CacheAt(const LatentCacheView& cache, absl::Span<const std::int32_t> blocks,
               std::int64_t position, std::int64_t col) {
  const auto block =
      static_cast<std::int64_t>(blocks[static_cast<std::size_t>(position / cache.block_tokens)]);
  const std::int64_t slot = block * cache.block_tokens + position % cache.block_tokens;
  const std::int64_t i = slot * cache.width + col;
  return static_cast<double>(cache.dtype == DType::kBf16
                                 ? ToFloat(static_cast<const Bf16*>(cache.data)[i])
                                 : static_cast<const float*>(cache.data)[i]);
}

double Rounded(double value, Precision precision) {
  const auto single = static_cast<float>(value);
  return static_cast<double>(precision == Precision::kBf16 ? RoundToBf16(single) : single);
}

// scores become exp(score - largest) / sum, unrounded.
void Softmax(std::vector<double>& scores) {
  const double largest = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (double& score : scores) sum += score = std::exp(score - largest);
  for (double& score : scores) score /= sum;
}

// Rows `row` .. `row + count` of kv_b times the latent at each position: [length, count].
std::vector<double> Expand(const MlaPrefillArgs& args, std::int64_t length, std::int64_t row,
                           std::int64_t count) {
  std::vector<double> expanded;
  expanded.reserve(static_cast<std::size_t>(length * count));
  for (std::int64_t s = 0; s < length; ++s) {
    for (std::int64_t i = row; i < row + count; ++i) {
      double sum = 0;
      for (std::int64_t r = 0; r < args.dims.rank; ++r) {
        sum += static_cast<double>(args.kv_b.At(i, r)) * CacheAt(args.cache, args.blocks, s, r);
      }
      expanded.push_back(Rounded(sum, args.precision));
    }
  }
  return expanded;
}

void PrefillHead(const MlaPrefillArgs& args, std::int64_t head) {
  const MlaDims& dims = args.dims;
  const std::int64_t row = head * (dims.nope + dims.v);
  const std::int64_t length = args.start + args.q.rows;
  const std::vector<double> keys = Expand(args, length, row, dims.nope);
  const std::vector<double> values = Expand(args, length, row + dims.nope, dims.v);
  for (std::int64_t t = 0; t < args.q.rows; ++t) {
    const float* q = args.q.Row(t) + head * dims.q_width();
    std::vector<double> p(static_cast<std::size_t>(args.start + t + 1));
    for (std::size_t s = 0; s < p.size(); ++s) {
      const auto position = static_cast<std::int64_t>(s);
      double score = 0;
      for (std::int64_t i = 0; i < dims.nope; ++i) {
        score += static_cast<double>(q[i]) *
                 keys[s * static_cast<std::size_t>(dims.nope) + static_cast<std::size_t>(i)];
      }
      for (std::int64_t i = 0; i < dims.rope; ++i) {
        score += static_cast<double>(q[dims.nope + i]) *
                 CacheAt(args.cache, args.blocks, position, dims.rank + i);
      }
      p[s] =
          Rounded(Rounded(score, args.precision) * static_cast<double>(args.scale), args.precision);
    }
    Softmax(p);
    for (std::int64_t i = 0; i < dims.v; ++i) {
      double sum = 0;
      for (std::size_t s = 0; s < p.size(); ++s) {
        sum += Rounded(p[s], args.precision) *
               values[s * static_cast<std::size_t>(dims.v) + static_cast<std::size_t>(i)];
      }
      args.out.Row(t)[head * dims.v + i] = static_cast<float>(Rounded(sum, args.precision));
    }
  }
}

void DecodeHead(const MlaDecodeArgs& args, std::int64_t b, std::int64_t head) {
  const MlaDims& dims = args.dims;
  const MlaDecodeRow& row = args.rows[static_cast<std::size_t>(b)];
  const float* q = args.q.Row(b) + head * dims.q_width();
  const std::int64_t key_row = head * (dims.nope + dims.v);
  const std::int64_t value_row = key_row + dims.nope;
  std::vector<double> latent_q;  // [q~ | q_r], as wide as a cache slot
  for (std::int64_t r = 0; r < dims.rank; ++r) {
    double sum = 0;
    for (std::int64_t i = 0; i < dims.nope; ++i) {
      sum += static_cast<double>(q[i]) * static_cast<double>(args.kv_b.At(key_row + i, r));
    }
    latent_q.push_back(Rounded(sum, args.precision));
  }
  for (std::int64_t i = 0; i < dims.rope; ++i) {
    latent_q.push_back(static_cast<double>(q[dims.nope + i]));
  }
  std::vector<double> p(static_cast<std::size_t>(row.length));
  for (std::size_t s = 0; s < p.size(); ++s) {
    for (std::size_t r = 0; r < latent_q.size(); ++r) {
      p[s] += latent_q[r] * CacheAt(args.cache, row.blocks, static_cast<std::int64_t>(s),
                                    static_cast<std::int64_t>(r));
    }
    p[s] *= static_cast<double>(args.scale);
  }
  Softmax(p);
  std::vector<double> u(static_cast<std::size_t>(dims.rank));
  for (std::size_t s = 0; s < p.size(); ++s) {
    for (std::size_t r = 0; r < u.size(); ++r) {
      u[r] += p[s] * CacheAt(args.cache, row.blocks, static_cast<std::int64_t>(s),
                             static_cast<std::int64_t>(r));
    }
  }
  for (std::int64_t i = 0; i < dims.v; ++i) {
    double sum = 0;
    for (std::size_t r = 0; r < u.size(); ++r) {
      sum += u[r] * static_cast<double>(args.kv_b.At(value_row + i, static_cast<std::int64_t>(r)));
    }
    args.out.Row(b)[head * dims.v + i] = static_cast<float>(Rounded(sum, args.precision));
  }
}

}  // namespace

void MlaPrefillReference(const MlaPrefillArgs& args) {
  for (std::int64_t head = 0; head < args.dims.num_heads; ++head) PrefillHead(args, head);
}

void MlaDecodeReference(const MlaDecodeArgs& args) {
  for (std::int64_t b = 0; b < args.q.rows; ++b) {
    for (std::int64_t head = 0; head < args.dims.num_heads; ++head) DecodeHead(args, b, head);
  }
}

}  // namespace sextant
