// Random operands for tests of matrix products: strided rows, weights at odd places in memory.
#pragma once

#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "common/device/backend.h"
#include "common/tensor/dtype.h"
#include "common/tensor/float_types.h"
#include "common/tensor/matrix_view.h"
#include "common/tensor/precision.h"

namespace sextant {

// Uniform values in [-1, 1), rounded to bf16 under kBf16, in rows with room after them.
class RandomMatrix {
 public:
  RandomMatrix(std::int64_t rows, std::int64_t cols, unsigned seed, Precision precision)
      : rows_(rows), cols_(cols), values_(static_cast<std::size_t>(rows * (cols + kGap))) {
    std::mt19937 generator(seed);
    std::uniform_real_distribution<float> uniform(-1, 1);
    for (float& value : values_) {
      value = uniform(generator);
      if (precision == Precision::kBf16) value = RoundToBf16(value);
    }
    original_ = values_;
  }

  [[nodiscard]] MatrixView<float> view() { return {values_.data(), rows_, cols_, cols_ + kGap}; }

  // The matrix without the room between rows.
  [[nodiscard]] std::vector<float> Values() {
    std::vector<float> values;
    for (std::int64_t row = 0; row < rows_; ++row) {
      values.insert(values.end(), view().Row(row), view().Row(row) + cols_);
    }
    return values;
  }

  [[nodiscard]] bool PaddingIsUntouched() const {
    for (std::size_t i = 0; i < values_.size(); ++i) {
      const auto col = static_cast<std::int64_t>(i) % (cols_ + kGap);
      if (col >= cols_ && values_[i] != original_[i]) return false;
    }
    return true;
  }

 private:
  static constexpr std::int64_t kGap = 3;
  std::int64_t rows_;
  std::int64_t cols_;
  std::vector<float> values_;
  std::vector<float> original_;
};

// Uniform weights in [-1, 1), two bytes off any alignment as a safetensors file may have them. The
// allocation ends where the weights end, so that a sanitizer sees every read beyond.
class RandomWeight {
 public:
  RandomWeight(std::int64_t rows, std::int64_t cols, unsigned seed, DType dtype)
      : rows_(rows),
        cols_(cols),
        dtype_(dtype),
        bytes_(static_cast<std::size_t>(kOffset + rows * cols * BytesOf(dtype))) {
    std::mt19937 generator(seed);
    std::uniform_real_distribution<float> uniform(-1, 1);
    for (std::int64_t i = 0; i < rows * cols; ++i) {
      const float value = uniform(generator);
      char* to = bytes_.data() + kOffset + i * BytesOf(dtype);
      if (dtype == DType::kBf16) {
        const Bf16 narrow = ToBf16(value);
        std::memcpy(to, &narrow, sizeof(narrow));
      } else {
        std::memcpy(to, &value, sizeof(value));
      }
    }
  }

  [[nodiscard]] WeightView view() const { return {bytes_.data() + kOffset, dtype_, rows_, cols_}; }

 private:
  static constexpr std::int64_t kOffset = 2;
  std::int64_t rows_;
  std::int64_t cols_;
  DType dtype_;
  std::vector<char> bytes_;
};

// A backend's name with '_' for what GoogleTest does not allow in a test's name.
inline std::string AsTestName(Backend backend) {
  std::string name = Name(backend);
  for (char& c : name) {
    if (c == '-') c = '_';
  }
  return name;
}

}  // namespace sextant
