#include "common/tensor/dtype.h"

#include "absl/strings/str_cat.h"
#include "common/base/check.h"

namespace sextant {

std::int64_t BytesOf(DType dtype) { return dtype == DType::kFp32 ? 4 : 2; }

const char* Name(DType dtype) {
  switch (dtype) {
    case DType::kBf16:
      return "bf16";
    case DType::kFp16:
      return "fp16";
    case DType::kFp32:
      return "fp32";
  }
  CHECK(false && "DType out of range");
}

absl::StatusOr<DType> ParseDType(absl::string_view name) {
  for (DType dtype : {DType::kBf16, DType::kFp16, DType::kFp32}) {
    if (name == Name(dtype)) return dtype;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("\"", name, "\" is no element type; use bf16, fp16 or fp32"));
}

}  // namespace sextant
