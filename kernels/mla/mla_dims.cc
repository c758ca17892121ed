#include "kernels/mla/mla_dims.h"

#include "absl/strings/str_cat.h"

namespace sextant {

absl::Status CheckMlaShapes(const MlaDims& dims, const LatentCacheView& cache,
                            const WeightView& kv_b, Precision precision) {
  const auto even = [](std::int64_t width) { return width > 0 && width % 2 == 0; };
  if (dims.num_heads < 1 || !even(dims.nope) || !even(dims.rope) || !even(dims.v) ||
      !even(dims.rank)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "MLA: needs at least one head and even widths, not ", dims.num_heads, " heads, nope ",
        dims.nope, ", rope ", dims.rope, ", v ", dims.v, ", rank ", dims.rank));
  }
  if (cache.width != dims.cache_width() || cache.block_tokens < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("MLA: the cache has slots of ", cache.width, " values in blocks of ",
                     cache.block_tokens, ", but rank and rope make ", dims.cache_width()));
  }
  if (cache.dtype != StorageType(precision)) {
    return absl::InvalidArgumentError(absl::StrCat("MLA: the cache holds ", Name(cache.dtype),
                                                   ", not ", Name(StorageType(precision))));
  }
  const std::int64_t rows = dims.num_heads * (dims.nope + dims.v);
  if (kv_b.rows != rows || kv_b.cols != dims.rank ||
      (kv_b.dtype != DType::kBf16 && kv_b.dtype != DType::kFp32)) {
    return absl::InvalidArgumentError(
        absl::StrCat("MLA: kv_b is ", Name(kv_b.dtype), " [", kv_b.rows, ", ", kv_b.cols,
                     "], but must be bf16 or fp32 [", rows, ", ", dims.rank, "]"));
  }
  return absl::OkStatus();
}

absl::Status CheckBlockTable(absl::Span<const std::int32_t> blocks, std::int64_t length,
                             const LatentCacheView& cache) {
  const std::int64_t needed = (length + cache.block_tokens - 1) / cache.block_tokens;
  if (static_cast<std::int64_t>(blocks.size()) < needed) {
    return absl::InvalidArgumentError(absl::StrCat("MLA: ", length, " positions need ", needed,
                                                   " blocks, but the table has ", blocks.size()));
  }
  for (std::int64_t i = 0; i < needed; ++i) {
    const std::int32_t block = blocks[static_cast<std::size_t>(i)];
    if (block < 0 || block >= cache.num_blocks) {
      return absl::InvalidArgumentError(
          absl::StrCat("MLA: block ", block, " of ", cache.num_blocks, " does not exist"));
    }
  }
  return absl::OkStatus();
}

}  // namespace sextant
