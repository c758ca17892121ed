// The exchange of one process: groups the rows by expert and calls the host in place; no copies.
#pragma once

#include <cstdint>
#include <vector>

#include "common/exchange/exchange.h"

namespace sextant {

class LocalExchange final : public Exchange {
 public:
  // `host` holds all `num_experts` experts of every MoE layer and outlives the exchange.
  LocalExchange(ExpertHost& host, std::int32_t num_experts);

  [[nodiscard]] absl::Status Dispatch(const ExpertDispatch& dispatch) override;
  [[nodiscard]] absl::StatusOr<ExpertOutputs> Collect() override;

 private:
  ExpertHost& host_;
  std::int32_t num_experts_;
  std::vector<std::int32_t> group_begin_;  // [E + 1] first output row of each expert
  std::vector<std::int32_t> token_rows_;   // [R] token of each output row
  std::vector<std::int32_t> row_of_;       // [T * K]
  std::vector<ExpertRowGroup> groups_;
  std::vector<float> outputs_;  // [R, H], grows to the largest step
  ExpertBatch batch_;           // of the dispatch in flight
  bool in_flight_ = false;
};

}  // namespace sextant
