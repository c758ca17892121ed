// The paged latent cache of one layer, as kernels see it, and how a step's positions enter it.
//
// A slot holds one position of one sequence: [c after its norm, R values | k_r after RoPE], 576
// values in the V2 family, shared by all heads. Slot number = block * block_tokens + offset. A
// sequence's block table names, for each block_tokens positions in turn, the block that has them.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "common/device/stream.h"
#include "common/tensor/dtype.h"
#include "common/tensor/matrix_view.h"
#include "common/tensor/precision.h"

namespace sextant {

struct LatentCacheView {
  void* data = nullptr;        // [num_blocks, block_tokens, width], packed
  DType dtype = DType::kBf16;  // StorageType(precision)
  std::int64_t num_blocks = 0;
  std::int64_t block_tokens = 0;
  std::int64_t width = 0;  // R + rope

  [[nodiscard]] std::int64_t num_slots() const { return num_blocks * block_tokens; }
};

// Normalises the latent part of each row, rotates its key part, and writes both to the row's slot.
//
// Shapes:    T rows; R latent rank, rope = 2 * cos.cols.
// Numerics:  those of RmsNorm and ApplyRope; bits depend on the row alone.
// Errors:    InvalidArgument when shapes or dtypes disagree or a slot is outside the cache; the
//            cache is untouched.
struct WriteLatentsArgs {
  MatrixView<const float> kva;  // [T, R + rope]: the output of kv_a_proj_with_mqa
  WeightView norm_weight;       // [1, R]: kv_a_layernorm
  float eps = 1e-6F;
  MatrixView<const float> cos;           // [T, rope / 2], from RopeTable::Rows
  MatrixView<const float> sin;           // [T, rope / 2]
  absl::Span<const std::int64_t> slots;  // [T], each in [0, num_slots), no two alike
  LatentCacheView cache;
  Precision precision = Precision::kBf16;
};
[[nodiscard]] absl::Status WriteLatents(Stream& stream, const WriteLatentsArgs& args);

}  // namespace sextant
