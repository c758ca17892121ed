#include "common/weights/weight_loader.h"

#include <cstring>

#include "common/base/status.h"
#include "common/tensor/float_types.h"

namespace sextant {
namespace {

float ElementAsFloat(const std::byte* data, DType dtype, std::int64_t i) {
  if (dtype == DType::kFp32) {
    float value = 0;
    std::memcpy(&value, data + i * 4, sizeof(value));
    return value;
  }
  std::uint16_t bits = 0;
  std::memcpy(&bits, data + i * 2, sizeof(bits));
  return dtype == DType::kBf16 ? ToFloat(Bf16{bits}) : ToFloat(Fp16{bits});
}

// What a kernel reads when the file holds `stored`.
DType KernelType(DType stored, Precision precision) {
  return stored == DType::kBf16 ? DType::kBf16 : StorageType(precision);
}

}  // namespace

WeightView WeightLoader::Adopt(const TensorView& tensor, std::int64_t rows, std::int64_t cols) {
  const DType dtype = KernelType(tensor.dtype, precision_);
  WeightView view{.data = tensor.data, .dtype = dtype, .rows = rows, .cols = cols};
  bytes_loaded_ += view.bytes();
  const auto alignment = static_cast<std::uintptr_t>(BytesOf(dtype));
  if (tensor.dtype == dtype && reinterpret_cast<std::uintptr_t>(tensor.data) % alignment == 0) {
    return view;
  }
  const std::int64_t count = rows * cols;
  auto copy = std::make_unique_for_overwrite<std::byte[]>(static_cast<std::size_t>(view.bytes()));
  const auto* source = static_cast<const std::byte*>(tensor.data);
  if (tensor.dtype == dtype) {
    std::memcpy(copy.get(), source, static_cast<std::size_t>(view.bytes()));
  } else {
    for (std::int64_t i = 0; i < count; ++i) {
      const float value = ElementAsFloat(source, tensor.dtype, i);
      if (dtype == DType::kBf16) {
        const Bf16 rounded = ToBf16(value);
        std::memcpy(copy.get() + i * 2, &rounded, sizeof(rounded));
      } else {
        std::memcpy(copy.get() + i * 4, &value, sizeof(value));
      }
    }
  }
  bytes_copied_ += view.bytes();
  view.data = copy.get();
  copies_.push_back(std::move(copy));
  return view;
}

absl::StatusOr<WeightView> WeightLoader::Matrix(const std::string& name, std::int64_t rows,
                                                std::int64_t cols) {
  ASSIGN_OR_RETURN(const TensorView tensor, checkpoint_.Find(name, {rows, cols}));
  return Adopt(tensor, rows, cols);
}

absl::StatusOr<WeightView> WeightLoader::Vector(const std::string& name, std::int64_t size) {
  ASSIGN_OR_RETURN(const TensorView tensor, checkpoint_.Find(name, {size}));
  return Adopt(tensor, 1, size);
}

}  // namespace sextant
