#include "kernels/norm/rms_norm.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "kernels/norm/rms_norm_row.h"

namespace sextant {
namespace {

// Below this much work one thread is done before another has woken.
constexpr std::int64_t kElementsPerTask = 32 * 1024;

using RowFunction = void (*)(const RmsNormRow&);

RowFunction RowFunctionOf(Backend backend) {
  switch (backend) {
    case Backend::kReference:
      return RmsNormRowReference;
    case Backend::kCpuAvx2:
      return RmsNormRowAvx2;
    case Backend::kCpuAvx512:
    case Backend::kCpuAvx512Bf16:
      return RmsNormRowAvx512;
  }
  return RmsNormRowReference;
}

absl::Status CheckShape(const char* name, MatrixView<const float> view, std::int64_t rows,
                        std::int64_t cols) {
  if (view.rows == rows && view.cols == cols) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("RMSNorm: ", name, " is [", view.rows, ", ",
                                                 view.cols, "], but the input is [", rows, ", ",
                                                 cols, "]"));
}

absl::Status CheckWeight(const WeightView& weight, std::int64_t cols) {
  if (cols < 1) return absl::InvalidArgumentError("RMSNorm: the rows are empty");
  if (weight.rows != 1 || weight.cols != cols) {
    return absl::InvalidArgumentError(absl::StrCat("RMSNorm: the weight is [", weight.rows, ", ",
                                                   weight.cols, "], but rows have ", cols,
                                                   " values: it must be [1, ", cols, "]"));
  }
  if (weight.dtype != DType::kBf16 && weight.dtype != DType::kFp32) {
    return absl::InvalidArgumentError(
        absl::StrCat("RMSNorm: the weight must be bf16 or fp32, not ", Name(weight.dtype)));
  }
  return absl::OkStatus();
}

// Runs row_of(t) for every row, in blocks of rows large enough to be worth a task.
template <typename RowOf>
void RunRows(Stream& stream, std::int64_t rows, std::int64_t cols, RowOf row_of) {
  const RowFunction run = RowFunctionOf(stream.backend());
  const std::int64_t block = std::max<std::int64_t>(1, kElementsPerTask / cols);
  const std::int64_t tasks = (rows + block - 1) / block;
  const auto body = [&](std::int64_t task, int) {
    const std::int64_t end = std::min(rows, (task + 1) * block);
    for (std::int64_t t = task * block; t < end; ++t) run(row_of(t));
  };
  if (tasks == 1) {
    body(0, 0);
  } else {
    stream.pool().ParallelFor(tasks, body);
  }
}

}  // namespace

absl::Status RmsNorm(Stream& stream, const RmsNormArgs& args) {
  const std::int64_t cols = args.x.cols;
  RETURN_IF_ERROR(CheckWeight(args.weight, cols));
  RETURN_IF_ERROR(CheckShape("y", args.y, args.x.rows, cols));
  RunRows(stream, args.x.rows, cols, [&](std::int64_t t) {
    return RmsNormRow{.x = args.x.Row(t),
                      .delta = nullptr,
                      .sum = nullptr,
                      .weight = args.weight,
                      .eps = args.eps,
                      .y = args.y.Row(t),
                      .cols = cols,
                      .round = args.precision == Precision::kBf16};
  });
  return absl::OkStatus();
}

absl::Status AddRmsNorm(Stream& stream, const AddRmsNormArgs& args) {
  const std::int64_t rows = args.h.rows;
  const std::int64_t cols = args.h.cols;
  RETURN_IF_ERROR(CheckWeight(args.weight, cols));
  RETURN_IF_ERROR(CheckShape("delta", args.delta, rows, cols));
  RETURN_IF_ERROR(CheckShape("y", args.y, rows, cols));
  RunRows(stream, rows, cols, [&](std::int64_t t) {
    return RmsNormRow{.x = args.h.Row(t),
                      .delta = args.delta.Row(t),
                      .sum = args.h.Row(t),
                      .weight = args.weight,
                      .eps = args.eps,
                      .y = args.y.Row(t),
                      .cols = cols,
                      .round = args.precision == Precision::kBf16};
  });
  return absl::OkStatus();
}

}  // namespace sextant
