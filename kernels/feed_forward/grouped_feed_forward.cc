#include "kernels/feed_forward/grouped_feed_forward.h"

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "kernels/feed_forward/grouped_feed_forward_reference.h"

namespace sextant {
namespace {

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
    rows += experts[i].rows ? static_cast<std::int64_t>(experts[i].rows->size()) : x.rows;
  }
  if (rows != y.rows) {
    return absl::InvalidArgumentError(absl::StrCat("feed-forward: the experts have ", rows,
                                                   " rows together, but y has ", y.rows));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status GroupedFeedForward(Stream& stream, const GroupedFeedForwardArgs& args) {
  (void)stream;
  RETURN_IF_ERROR(Check(args));
  GroupedFeedForwardReference(args);
  return absl::OkStatus();
}

}  // namespace sextant
