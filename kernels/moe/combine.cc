#include "kernels/moe/combine.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "kernels/moe/combine_rows.h"

namespace sextant {
namespace {

// Below this much work one thread is done before another has woken.
constexpr std::int64_t kElementsPerTask = 64 * 1024;

absl::Status CheckArgs(const CombineArgs& args) {
  const std::int64_t tokens = args.residual.rows;
  const std::int64_t hidden = args.residual.cols;
  if (args.weights.rows != tokens || args.expert_out.cols != hidden ||
      static_cast<std::int64_t>(args.output_row.size()) != tokens * args.weights.cols) {
    return absl::InvalidArgumentError(absl::StrCat(
        "Combine: residual is [", tokens, ", ", hidden, "], but weights have ", args.weights.rows,
        " rows of ", args.weights.cols, ", expert outputs ", args.expert_out.cols, " columns, and ",
        args.output_row.size(), " output rows are named"));
  }
  if (args.shared_out.rows != 0 &&
      (args.shared_out.rows != tokens || args.shared_out.cols != hidden)) {
    return absl::InvalidArgumentError(
        absl::StrCat("Combine: residual is [", tokens, ", ", hidden, "], shared experts' output [",
                     args.shared_out.rows, ", ", args.shared_out.cols, "]"));
  }
  for (const std::int32_t row : args.output_row) {
    if (row < 0 || row >= args.expert_out.rows) {
      return absl::InvalidArgumentError(absl::StrCat("Combine: output row ", row, " of ",
                                                     args.expert_out.rows, " does not exist"));
    }
  }
  return absl::OkStatus();
}

CombineRows RowsOf(const CombineArgs& args, std::int64_t begin, std::int64_t count) {
  const bool shared = args.shared_out.rows != 0;
  return {.expert_out = args.expert_out.data,
          .expert_stride = args.expert_out.stride,
          .output_row = args.output_row.data() + begin * args.weights.cols,
          .weights = args.weights.Row(begin),
          .weights_stride = args.weights.stride,
          .shared_out = shared ? args.shared_out.Row(begin) : nullptr,
          .shared_stride = args.shared_out.stride,
          .residual = args.residual.Row(begin),
          .residual_stride = args.residual.stride,
          .tokens = count,
          .chosen = args.weights.cols,
          .hidden = args.residual.cols,
          .round_to_bf16 = args.precision == Precision::kBf16};
}

using RowsFunction = void (*)(const CombineRows&);

RowsFunction FunctionFor(Backend backend) {
  switch (backend) {
    case Backend::kReference:
      return CombineReference;
    case Backend::kCpuAvx2:
      return CombineAvx2;
    case Backend::kCpuAvx512:
    case Backend::kCpuAvx512Bf16:
      return CombineAvx512;
  }
  return CombineReference;
}

}  // namespace

absl::Status Combine(Stream& stream, const CombineArgs& args) {
  RETURN_IF_ERROR(CheckArgs(args));
  const std::int64_t tokens = args.residual.rows;
  const RowsFunction function = FunctionFor(stream.backend());
  const std::int64_t work_per_token =
      std::max<std::int64_t>(1, args.residual.cols * (args.weights.cols + 2));
  const std::int64_t tokens_per_task = std::max<std::int64_t>(1, kElementsPerTask / work_per_token);
  if (tokens <= tokens_per_task) {
    function(RowsOf(args, 0, tokens));
    return absl::OkStatus();
  }
  const std::int64_t tasks = (tokens + tokens_per_task - 1) / tokens_per_task;
  stream.pool().ParallelFor(tasks, [&](std::int64_t task, int) {
    const std::int64_t begin = task * tokens_per_task;
    function(RowsOf(args, begin, std::min(tokens_per_task, tokens - begin)));
  });
  return absl::OkStatus();
}

}  // namespace sextant
