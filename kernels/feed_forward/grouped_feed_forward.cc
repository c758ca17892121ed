#include "kernels/feed_forward/grouped_feed_forward.h"

#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "kernels/feed_forward/grouped_feed_forward_reference.h"
#include "kernels/linear/product.h"

namespace sextant {
namespace {

std::int64_t RowCount(const ExpertRows& expert, std::int64_t all) {
  return expert.rows ? static_cast<std::int64_t>(expert.rows->size()) : all;
}

bool IsFloatWeight(const WeightView& weight) {
  return weight.dtype == DType::kBf16 || weight.dtype == DType::kFp32;
}

absl::Status CheckWeights(const FeedForwardWeights& weights, std::int64_t hidden) {
  const auto& [gate, up, down] = weights;
  if (!IsFloatWeight(gate) || !IsFloatWeight(down) || up.dtype != gate.dtype) {
    return absl::InvalidArgumentError(
        absl::StrCat("dtypes are gate ", Name(gate.dtype), ", up ", Name(up.dtype), ", down ",
                     Name(down.dtype), "; give bf16 or fp32, the same for gate and up"));
  }
  if (gate.rows < 0 || gate.cols != hidden || up.rows != gate.rows || up.cols != gate.cols ||
      down.rows != hidden || down.cols != gate.rows) {
    return absl::InvalidArgumentError(
        absl::StrCat("gate [", gate.rows, ", ", gate.cols, "], up [", up.rows, ", ", up.cols,
                     "] and down [", down.rows, ", ", down.cols, "] do not fit rows of ", hidden,
                     ": they must be [F, H], [F, H] and [H, F]"));
  }
  return absl::OkStatus();
}

absl::Status CheckRows(absl::Span<const std::int32_t> rows, std::int64_t limit) {
  for (const std::int32_t row : rows) {
    if (row < 0 || row >= limit) {
      return absl::InvalidArgumentError(
          absl::StrCat("row ", row, " is not in [0, ", limit, "), the rows of x"));
    }
  }
  return absl::OkStatus();
}

absl::Status Check(const GroupedFeedForwardArgs& args) {
  const auto& [x, experts, y, precision] = args;
  if (x.rows < 0 || x.cols < 0 || x.stride < x.cols || y.stride < y.cols || y.cols != x.cols) {
    return absl::InvalidArgumentError(absl::StrCat(
        "feed-forward: x [", x.rows, ", ", x.cols, "] with stride ", x.stride, " and y [", y.rows,
        ", ", y.cols, "] with stride ", y.stride, " do not fit: both need rows of H values"));
  }
  std::int64_t rows = 0;
  for (std::size_t i = 0; i < experts.size(); ++i) {
    const std::string where = absl::StrCat("feed-forward: expert ", i, " of the call");
    RETURN_IF_ERROR(AddContext(CheckWeights(experts[i].weights, x.cols), where));
    if (experts[i].rows) RETURN_IF_ERROR(AddContext(CheckRows(*experts[i].rows, x.rows), where));
    rows += RowCount(experts[i], x.rows);
  }
  if (rows != y.rows) {
    return absl::InvalidArgumentError(absl::StrCat("feed-forward: the experts have ", rows,
                                                   " rows together, but y has ", y.rows));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status GroupedFeedForward(Stream& stream, const GroupedFeedForwardArgs& args) {
  RETURN_IF_ERROR(Check(args));
  if (stream.backend() == Backend::kReference) {
    GroupedFeedForwardReference(args);
    return absl::OkStatus();
  }
  ScratchScope scope(stream.scratch());
  absl::InlinedVector<PackArgs, 8> packs;
  absl::InlinedVector<Product, 8> gate_up;
  absl::InlinedVector<Product, 8> down;
  std::int64_t first_row = 0;
  for (const ExpertRows& expert : args.experts) {
    const std::int64_t count = RowCount(expert, args.x.rows);
    const auto& [gate, up, down_weight] = expert.weights;
    if (count == 0) continue;
    const auto allocate = [&](const WeightView& weight) {
      const PanelKernels& kernels =
          PanelKernelsFor(stream.backend(), args.precision, weight.dtype, count);
      return AllocatePacked(scope, kernels, count, weight.cols);
    };
    const PackedRows x = allocate(gate);
    const PackedRows gated = allocate(down_weight);
    packs.push_back({args.x, expert.rows ? expert.rows->data() : nullptr, x});
    gate_up.push_back(
        {.x = x, .weight = gate, .up = up, .gated = gated, .precision = args.precision});
    down.push_back({.x = gated,
                    .weight = down_weight,
                    .y = args.y.Rows(first_row, count),
                    .precision = args.precision});
    first_row += count;
  }
  PackRows(stream, packs);
  RunProducts(stream, gate_up);
  RunProducts(stream, down);
  return absl::OkStatus();
}

}  // namespace sextant
