// Gives the engine each tensor of a checkpoint in the form that its kernels take.
//
// bf16 tensors are used in place from the mapped file, under either precision. fp32 tensors are
// used in place under kFp32 and rounded once to bf16 under kBf16; fp16 tensors become fp32 or
// bf16. Converted tensors, and those whose address is not a multiple of their element size, are
// copied into memory that the loader owns.
//
// Ownership: views borrow from the checkpoint and the loader; both outlive them.
// Errors:    those of Checkpoint::Find, which name the tensor and the file.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/tensor/matrix_view.h"
#include "common/tensor/precision.h"
#include "common/weights/checkpoint.h"

namespace sextant {

class WeightLoader {
 public:
  WeightLoader(const Checkpoint& checkpoint, Precision precision)
      : checkpoint_(checkpoint), precision_(precision) {}
  WeightLoader(const WeightLoader&) = delete;
  WeightLoader& operator=(const WeightLoader&) = delete;

  // A tensor of shape [rows, cols].
  [[nodiscard]] absl::StatusOr<WeightView> Matrix(const std::string& name, std::int64_t rows,
                                                  std::int64_t cols);

  // A tensor of shape [size], as one row.
  [[nodiscard]] absl::StatusOr<WeightView> Vector(const std::string& name, std::int64_t size);

  [[nodiscard]] Precision precision() const { return precision_; }

  // Bytes of the weights given out so far, and how many of them are copies.
  [[nodiscard]] std::int64_t bytes_loaded() const { return bytes_loaded_; }
  [[nodiscard]] std::int64_t bytes_copied() const { return bytes_copied_; }

 private:
  WeightView Adopt(const TensorView& tensor, std::int64_t rows, std::int64_t cols);

  const Checkpoint& checkpoint_;
  Precision precision_;
  std::vector<std::unique_ptr<std::byte[]>> copies_;
  std::int64_t bytes_loaded_ = 0;
  std::int64_t bytes_copied_ = 0;
};

}  // namespace sextant
