// Packed rows times weight matrices, many at once: what Linear and GroupedFeedForward are made of.
//
// Ownership: packed rows live in the stream's scratch, until the scope that made them ends.
// Threads:   every function runs on the calling thread and, where it pays, on the stream's pool.
#pragma once

#include <cstdint>

#include "absl/types/span.h"
#include "common/device/stream.h"
#include "common/tensor/matrix_view.h"
#include "common/tensor/precision.h"
#include "kernels/linear/panel.h"

namespace sextant {

// The kernels of `backend` (not kReference) for weights of this type and so many rows of x.
[[nodiscard]] const PanelKernels& PanelKernelsFor(Backend backend, Precision precision,
                                                  DType weight, std::int64_t rows);

// Rows in the order and representation of `kernels`.
struct PackedRows {
  const PanelKernels* kernels = nullptr;
  void* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
};
// Room for rows; their values are uninitialised, the padding of each row is zero.
[[nodiscard]] PackedRows AllocatePacked(ScratchScope& scope, const PanelKernels& kernels,
                                        std::int64_t rows, std::int64_t cols);

struct PackArgs {
  MatrixView<const float> x;
  const std::int32_t* rows = nullptr;  // which rows of x; null: the first to.rows ones
  PackedRows to;
};
void PackRows(Stream& stream, absl::Span<const PackArgs> packs);

// Either y = round(x W^T), or gated = round(silu(x W^T) * (x U^T)) with every step rounded, packed
// for the next product.
struct Product {
  PackedRows x;
  WeightView weight;         // W
  WeightView up = {};        // U: same shape and type as W; no data: no gating
  MatrixView<float> y = {};  // [rows, N] out, without gating
  PackedRows gated = {};     // [rows, N] out, with gating
  Precision precision = Precision::kBf16;
};
void RunProducts(Stream& stream, absl::Span<const Product> products);

}  // namespace sextant
