#include "kernels/moe/topk_softmax.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "kernels/moe/topk_softmax_rows.h"

namespace sextant {
namespace {

constexpr std::int64_t kTokensPerTask = 32;

absl::Status CheckArgs(const TopkSoftmaxArgs& args) {
  const std::int64_t tokens = args.gate_logits.rows;
  const std::int64_t experts = args.gate_logits.cols;
  const std::int64_t chosen = args.expert_ids.cols;
  if (args.expert_ids.rows != tokens || args.weights.rows != tokens ||
      args.weights.cols != chosen) {
    return absl::InvalidArgumentError(absl::StrCat(
        "TopkSoftmax: ", tokens, " rows of gate logits, but weights are [", args.weights.rows, ", ",
        args.weights.cols, "] and expert ids [", args.expert_ids.rows, ", ", chosen, "]"));
  }
  if (chosen < 1 || chosen > experts) {
    return absl::InvalidArgumentError(
        absl::StrCat("TopkSoftmax: cannot choose ", chosen, " of ", experts, " experts"));
  }
  if (args.groups < 1 || experts % args.groups != 0 || args.kept_groups < 1 ||
      args.kept_groups > args.groups) {
    return absl::InvalidArgumentError(absl::StrCat("TopkSoftmax: cannot keep ", args.kept_groups,
                                                   " of ", args.groups, " groups of ", experts,
                                                   " experts"));
  }
  return absl::OkStatus();
}

TopkSoftmaxRows RowsOf(const TopkSoftmaxArgs& args, std::int64_t begin, std::int64_t count) {
  return {.gate_logits = args.gate_logits.Row(begin),
          .logits_stride = args.gate_logits.stride,
          .tokens = count,
          .experts = args.gate_logits.cols,
          .chosen = args.expert_ids.cols,
          .groups = args.groups,
          .kept_groups = args.kept_groups,
          .normalise = args.normalise,
          .scale = args.scale,
          .weights = args.weights.Row(begin),
          .weights_stride = args.weights.stride,
          .expert_ids = args.expert_ids.Row(begin),
          .ids_stride = args.expert_ids.stride};
}

using RowsFunction = void (*)(const TopkSoftmaxRows&);

RowsFunction FunctionFor(Backend backend) {
  switch (backend) {
    case Backend::kReference:
      return TopkSoftmaxReference;
    case Backend::kCpuAvx2:
      return TopkSoftmaxAvx2;
    case Backend::kCpuAvx512:
    case Backend::kCpuAvx512Bf16:
      return TopkSoftmaxAvx512;
  }
  return TopkSoftmaxReference;
}

}  // namespace

absl::Status TopkSoftmax(Stream& stream, const TopkSoftmaxArgs& args) {
  RETURN_IF_ERROR(CheckArgs(args));
  const std::int64_t tokens = args.gate_logits.rows;
  const RowsFunction function = FunctionFor(stream.backend());
  if (tokens <= kTokensPerTask) {
    function(RowsOf(args, 0, tokens));
    return absl::OkStatus();
  }
  const std::int64_t tasks = (tokens + kTokensPerTask - 1) / kTokensPerTask;
  stream.pool().ParallelFor(tasks, [&](std::int64_t task, int) {
    const std::int64_t begin = task * kTokensPerTask;
    function(RowsOf(args, begin, std::min(kTokensPerTask, tokens - begin)));
  });
  return absl::OkStatus();
}

}  // namespace sextant
