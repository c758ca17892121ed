#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "common/device/scratch.h"
#include "common/tensor/float_types.h"
#include "kernels/mla/latent_cache.h"
#include "kernels/norm/rms_norm.h"
#include "kernels/rope/apply_rope.h"

namespace sextant {
namespace {

constexpr std::int64_t kRowsPerTile = 256;

absl::Status CheckArgs(const WriteLatentsArgs& args) {
  const std::int64_t rank = args.norm_weight.cols;
  const std::int64_t width = rank + 2 * args.cos.cols;
  if (args.kva.cols != width || args.cache.width != width) {
    return absl::InvalidArgumentError(absl::StrCat(
        "WriteLatents: rank ", rank, " and rope ", 2 * args.cos.cols, " make ", width,
        " values, but rows have ", args.kva.cols, " and the cache's slots ", args.cache.width));
  }
  const std::int64_t rows = args.kva.rows;
  if (args.cos.rows != rows || args.sin.rows != rows || args.sin.cols != args.cos.cols ||
      static_cast<std::int64_t>(args.slots.size()) != rows) {
    return absl::InvalidArgumentError(
        absl::StrCat("WriteLatents: ", rows, " rows, but cos is [", args.cos.rows, ", ",
                     args.cos.cols, "], sin [", args.sin.rows, ", ", args.sin.cols,
                     "], and there are ", args.slots.size(), " slots"));
  }
  if (args.cache.dtype != StorageType(args.precision)) {
    return absl::InvalidArgumentError(absl::StrCat("WriteLatents: the cache holds ",
                                                   Name(args.cache.dtype), ", not ",
                                                   Name(StorageType(args.precision))));
  }
  for (const std::int64_t slot : args.slots) {
    if (slot < 0 || slot >= args.cache.num_slots()) {
      return absl::InvalidArgumentError(absl::StrCat("WriteLatents: slot ", slot, " of ",
                                                     args.cache.num_slots(), " does not exist"));
    }
  }
  return absl::OkStatus();
}

void Store(const float* row, const LatentCacheView& cache, std::int64_t slot) {
  if (cache.dtype == DType::kFp32) {
    std::memcpy(static_cast<float*>(cache.data) + slot * cache.width, row,
                static_cast<std::size_t>(cache.width) * sizeof(float));
    return;
  }
  Bf16* to = static_cast<Bf16*>(cache.data) + slot * cache.width;
  for (std::int64_t i = 0; i < cache.width; ++i) to[i] = ToBf16(row[i]);
}

}  // namespace

absl::Status WriteLatents(Stream& stream, const WriteLatentsArgs& args) {
  RETURN_IF_ERROR(CheckArgs(args));
  const std::int64_t rank = args.norm_weight.cols;
  const std::int64_t rope = 2 * args.cos.cols;
  ScratchScope scope(stream.scratch());
  const MatrixView<float> tile(
      scope.Allocate<float>(std::min(kRowsPerTile, args.kva.rows) * args.kva.cols),
      std::min(kRowsPerTile, args.kva.rows), args.kva.cols);
  for (std::int64_t begin = 0; begin < args.kva.rows; begin += kRowsPerTile) {
    const std::int64_t count = std::min(kRowsPerTile, args.kva.rows - begin);
    const MatrixView<const float> from = args.kva.Rows(begin, count);
    const MatrixView<float> latents = tile.Rows(0, count).Cols(0, rank);
    const MatrixView<float> keys = tile.Rows(0, count).Cols(rank, rope);
    RETURN_IF_ERROR(RmsNorm(stream, {.x = from.Cols(0, rank),
                                     .weight = args.norm_weight,
                                     .eps = args.eps,
                                     .y = latents,
                                     .precision = args.precision}));
    for (std::int64_t t = 0; t < count; ++t) {
      std::copy_n(from.Row(t) + rank, rope, keys.Row(t));
    }
    RETURN_IF_ERROR(ApplyRope(stream, {.x = keys,
                                       .num_heads = 1,
                                       .cos = args.cos.Rows(begin, count),
                                       .sin = args.sin.Rows(begin, count),
                                       .precision = args.precision}));
    for (std::int64_t t = 0; t < count; ++t) {
      Store(tile.Row(t), args.cache, args.slots[static_cast<std::size_t>(begin + t)]);
    }
  }
  return absl::OkStatus();
}

}  // namespace sextant
