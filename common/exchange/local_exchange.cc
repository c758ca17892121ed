#include "common/exchange/local_exchange.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/status.h"

namespace sextant {

LocalExchange::LocalExchange(ExpertHost& host, std::int32_t num_experts)
    : host_(host), num_experts_(num_experts) {}

absl::Status LocalExchange::Dispatch(const ExpertDispatch& dispatch) {
  CHECK(!in_flight_);
  const MatrixView<const std::int32_t>& ids = dispatch.expert_ids;
  if (ids.rows != dispatch.rows.rows) {
    return absl::InvalidArgumentError(
        absl::StrCat("dispatch of ", dispatch.rows.rows, " rows with the choices of ", ids.rows));
  }
  group_begin_.assign(static_cast<std::size_t>(num_experts_) + 1, 0);
  for (std::int64_t t = 0; t < ids.rows; ++t) {
    for (std::int64_t k = 0; k < ids.cols; ++k) {
      const std::int32_t expert = ids.Row(t)[k];
      if (expert < 0 || expert >= num_experts_) {
        return absl::InvalidArgumentError(
            absl::StrCat("expert ", expert, " is outside [0, ", num_experts_, ")"));
      }
      ++group_begin_[static_cast<std::size_t>(expert) + 1];
    }
  }
  for (std::size_t e = 1; e < group_begin_.size(); ++e) group_begin_[e] += group_begin_[e - 1];

  const std::int64_t outputs = ids.rows * ids.cols;
  token_rows_.resize(static_cast<std::size_t>(outputs));
  row_of_.resize(static_cast<std::size_t>(outputs));
  std::vector<std::int32_t> next(group_begin_.begin(), group_begin_.end() - 1);
  for (std::int64_t t = 0; t < ids.rows; ++t) {
    for (std::int64_t k = 0; k < ids.cols; ++k) {
      const std::int32_t row = next[static_cast<std::size_t>(ids.Row(t)[k])]++;
      token_rows_[static_cast<std::size_t>(row)] = static_cast<std::int32_t>(t);
      row_of_[static_cast<std::size_t>(t * ids.cols + k)] = row;
    }
  }

  groups_.clear();
  for (std::int32_t e = 0; e < num_experts_; ++e) {
    const auto begin = static_cast<std::size_t>(group_begin_[static_cast<std::size_t>(e)]);
    const auto end = static_cast<std::size_t>(group_begin_[static_cast<std::size_t>(e) + 1]);
    if (begin == end) continue;
    groups_.push_back({e, absl::MakeConstSpan(token_rows_).subspan(begin, end - begin)});
  }
  outputs_.resize(
      std::max(outputs_.size(), static_cast<std::size_t>(outputs * dispatch.rows.cols)));
  batch_ = {.layer = dispatch.layer,
            .rows = dispatch.rows,
            .groups = groups_,
            .outputs = {outputs_.data(), outputs, dispatch.rows.cols}};
  in_flight_ = true;
  return absl::OkStatus();
}

absl::StatusOr<ExpertOutputs> LocalExchange::Collect() {
  CHECK(in_flight_);
  in_flight_ = false;
  RETURN_IF_ERROR(host_.Compute(batch_));
  return ExpertOutputs{.rows = batch_.outputs, .row_of = row_of_};
}

}  // namespace sextant
