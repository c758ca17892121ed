// Borrowed row-major matrices: a pointer, a shape and the distance between rows.
//
// Shapes:    rows x cols; `stride` is the distance between rows in elements, >= cols.
// Ownership: a view borrows; the memory must outlive it.
#pragma once

#include <cstdint>
#include <cstring>

#include "common/base/check.h"
#include "common/tensor/dtype.h"
#include "common/tensor/float_types.h"

namespace sextant {

template <typename T>
struct MatrixView {
  T* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t stride = 0;

  MatrixView() = default;
  MatrixView(T* data_in, std::int64_t rows_in, std::int64_t cols_in)
      : MatrixView(data_in, rows_in, cols_in, cols_in) {}
  MatrixView(T* data_in, std::int64_t rows_in, std::int64_t cols_in, std::int64_t stride_in)
      : data(data_in), rows(rows_in), cols(cols_in), stride(stride_in) {}

  // A view of mutable elements is a view of constant ones.
  operator MatrixView<const T>() const { return {data, rows, cols, stride}; }

  [[nodiscard]] T* Row(std::int64_t row) const { return data + row * stride; }

  [[nodiscard]] MatrixView Rows(std::int64_t begin, std::int64_t count) const {
    CHECK_GE(begin, 0);
    CHECK_LE(begin + count, rows);
    return {data + begin * stride, count, cols, stride};
  }

  [[nodiscard]] MatrixView Cols(std::int64_t begin, std::int64_t count) const {
    CHECK_GE(begin, 0);
    CHECK_LE(begin + count, cols);
    return {data + begin, rows, count, stride};
  }
};

// A weight matrix [rows = outputs, cols = inputs], packed, used in place from a mapped file:
// bf16 as published, or f32 (a checkpoint in fp32 or fp16, upcast once when it was loaded).
// The data may start at any even address: safetensors promises no alignment.
struct WeightView {
  const void* data = nullptr;
  DType dtype = DType::kBf16;  // kBf16 or kFp32
  std::int64_t rows = 0;
  std::int64_t cols = 0;

  [[nodiscard]] std::int64_t bytes() const { return rows * cols * BytesOf(dtype); }

  // One element, at any alignment: for references and tests, not for fast paths.
  [[nodiscard]] float At(std::int64_t row, std::int64_t col) const {
    const char* from = static_cast<const char*>(data) + (row * cols + col) * BytesOf(dtype);
    if (dtype == DType::kBf16) {
      Bf16 value;
      std::memcpy(&value, from, sizeof(value));
      return ToFloat(value);
    }
    float value;
    std::memcpy(&value, from, sizeof(value));
    return value;
  }

  [[nodiscard]] WeightView Rows(std::int64_t begin, std::int64_t count) const {
    CHECK_GE(begin, 0);
    CHECK_LE(begin + count, rows);
    const auto* bytes = static_cast<const char*>(data);
    return {bytes + begin * cols * BytesOf(dtype), dtype, count, cols};
  }
};

}  // namespace sextant
