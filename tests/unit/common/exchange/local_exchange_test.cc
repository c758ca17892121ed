#include "common/exchange/local_exchange.h"

#include <gtest/gtest.h>

#include <vector>

namespace sextant {
namespace {

// Answers every row of expert e with row * 10 + e, and remembers what it was asked.
class FakeHost final : public ExpertHost {
 public:
  absl::Status Compute(const ExpertBatch& batch) override {
    std::int64_t output = 0;
    for (const ExpertRowGroup& group : batch.groups) {
      experts.push_back(group.expert);
      for (std::int32_t row : group.rows) {
        for (std::int64_t i = 0; i < batch.rows.cols; ++i) {
          batch.outputs.Row(output)[i] =
              batch.rows.Row(row)[i] * 10.0F + static_cast<float>(group.expert);
        }
        ++output;
      }
    }
    EXPECT_EQ(output, batch.outputs.rows);
    return status;
  }
  std::vector<std::int32_t> experts;
  absl::Status status;
};

TEST(LocalExchangeTest, EveryChoiceFindsItsOwnOutput) {
  FakeHost host;
  LocalExchange exchange(host, 5);
  const std::vector<float> rows = {1, 2, 3};                 // [T = 3, H = 1]
  const std::vector<std::int32_t> ids = {4, 0, 0, 2, 4, 2};  // [3, K = 2]
  ASSERT_TRUE(
      exchange.Dispatch({.layer = 1, .rows = {rows.data(), 3, 1}, .expert_ids = {ids.data(), 3, 2}})
          .ok());
  const ExpertOutputs outputs = *exchange.Collect();
  EXPECT_EQ(host.experts, (std::vector<std::int32_t>{0, 2, 4}));
  for (std::size_t slot = 0; slot < 6; ++slot) {
    const float expected = rows[slot / 2] * 10.0F + static_cast<float>(ids[slot]);
    EXPECT_EQ(*outputs.rows.Row(outputs.row_of[slot]), expected) << slot;
  }
}

TEST(LocalExchangeTest, NoRowsAskNoExpert) {
  FakeHost host;
  LocalExchange exchange(host, 5);
  ASSERT_TRUE(
      exchange.Dispatch({.layer = 1, .rows = {nullptr, 0, 1}, .expert_ids = {nullptr, 0, 2}}).ok());
  EXPECT_EQ(exchange.Collect()->rows.rows, 0);
  EXPECT_TRUE(host.experts.empty());
}

TEST(LocalExchangeTest, ExpertOutOfRangeIsRefused) {
  FakeHost host;
  LocalExchange exchange(host, 5);
  const float row = 1;
  for (std::int32_t id : {-1, 5}) {
    EXPECT_EQ(
        exchange.Dispatch({.layer = 1, .rows = {&row, 1, 1}, .expert_ids = {&id, 1, 1}}).code(),
        absl::StatusCode::kInvalidArgument);
  }
}

TEST(LocalExchangeTest, HostsErrorReachesTheCollector) {
  FakeHost host;
  host.status = absl::NotFoundError("expert 3 is not held");
  LocalExchange exchange(host, 5);
  const float row = 1;
  const std::int32_t id = 3;
  ASSERT_TRUE(
      exchange.Dispatch({.layer = 1, .rows = {&row, 1, 1}, .expert_ids = {&id, 1, 1}}).ok());
  EXPECT_EQ(exchange.Collect().status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace sextant
