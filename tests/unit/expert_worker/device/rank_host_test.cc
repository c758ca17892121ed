#include "expert_worker/device/rank_host.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "expert_worker/device/local_device_exchange.h"
#include "tests/support/device/read_device.h"
#include "tests/support/device/values.h"
#include "tests/support/message_of.h"
#include "tests/unit/expert_worker/device/demo_experts.h"

namespace sextant {
namespace {

using ::testing::HasSubstr;
using Ids = std::vector<std::int32_t>;

constexpr std::int64_t kRows = 4;
constexpr std::int64_t kChosenHere = 2;  // by each row

class RankHostTest : public DemoExpertsTest {
 protected:
  void SetUp() override {
    DemoExpertsTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    experts_ = Allocate(5);
    MustLoad({33});
    MustLoad({5, 50});
    MustLoad({9});
    stream_.emplace(*GpuStream::Create(gpu()));
    auto host = RankHost::Create(*stream_, kernels(), config_, *experts_,
                                 ReceivedRows::SizesFor(config_, 2, kRows, kRows));
    ASSERT_TRUE(host.ok()) << host.status();
    host_ = *std::move(host);
    rows_ = NormalBf16(kRows * config_.hidden_size, 1.0, 1);
  }

  void MustLoad(const Ids& ids) {
    const auto loaded = experts_->Load(ids, store_, *Upload());
    ASSERT_TRUE(loaded.ok()) << loaded.status();
  }

  // Of `attending` ranks that attend, the first of which holds the experts that are not `here`, and
  // after them the one that holds those.
  [[nodiscard]] RankLayout Layout(const Ids& here, int attending = 1) const {
    std::vector<RankRole> roles(static_cast<std::size_t>(attending) + 1);
    for (RankRole& role : roles) role.attends = &role != &roles.back();
    for (const std::int32_t expert : AllExperts(config_)) {
      const bool is_here = std::find(here.begin(), here.end(), expert) != here.end();
      (is_here ? roles.back() : roles.front()).experts.push_back(expert);
    }
    return *RankLayout::Make(static_cast<std::int32_t>(config_.n_routed_experts), roles);
  }
  static constexpr int kDestination = 1;

  // Which of `list` each row chooses, and nothing for its other choices.
  [[nodiscard]] Ids Chosen(const Ids& list) const {
    Ids chosen(static_cast<std::size_t>(kRows * config_.num_experts_per_tok), -1);
    for (std::size_t row = 0; row < kRows; ++row) {
      const std::size_t first = row * static_cast<std::size_t>(config_.num_experts_per_tok);
      chosen[first + row % 3] = list[row % list.size()];
      chosen[first + 4] = list[(row + 1) % list.size()];
    }
    return chosen;
  }

  template <typename T>
  void Receive(const RankMessage& message, const std::vector<T>& values) {
    const auto bytes = static_cast<std::int64_t>(values.size() * sizeof(T));
    ASSERT_EQ(message.bytes, bytes);
    ASSERT_TRUE(gpu().CopyIn(stream_->handle(), message.data, values.data(), bytes).ok());
  }

  // What goes back for the rows with these experts, as the layout counts them.
  std::vector<Bf16> Outputs(const Ids& local_ids) {
    const std::int64_t pairs = kRows * kChosenHere;
    EXPECT_TRUE(host_->ExpectSlots({.slot_rows = kRows, .slot_pairs = pairs}).ok());
    std::vector<RankMessage> messages;
    host_->AddReceives(0, 0, kRows, messages);
    EXPECT_EQ(messages.size(), 2U);
    Receive(messages[0], local_ids);
    Receive(messages[1], rows_);
    const absl::Status computed = host_->Compute(stream_->handle(), kMoeLayer);
    EXPECT_TRUE(computed.ok()) << computed;
    EXPECT_TRUE(stream_->Synchronize().ok());
    messages.clear();
    host_->AddSends(0, 0, pairs, messages);
    return ReadDevice(gpu(), static_cast<const Bf16*>(messages.at(0).data),
                      pairs * config_.hidden_size);
  }

  // The same by a GPU that holds all experts.
  std::vector<Bf16> OutputsOfOneGpu(const Ids& ids) {
    const auto all = Load(AllExperts(config_));
    const auto exchange = LocalDeviceExchange::Create(gpu(), kernels(), config_, *all, kRows);
    EXPECT_TRUE(exchange.ok()) << exchange.status();
    const DeviceArray<Bf16> rows(rows_);
    const DeviceArray<std::int32_t> chosen(ids);
    EXPECT_TRUE((*exchange)
                    ->Dispatch(stream_->handle(), {.layer = kMoeLayer,
                                                   .rows = rows.data(),
                                                   .expert_ids = chosen.data(),
                                                   .tokens = kRows})
                    .ok());
    const auto outputs = (*exchange)->Collect(stream_->handle());
    EXPECT_TRUE(outputs.ok() && stream_->Synchronize().ok());
    std::vector<Bf16> pairs;
    for (const std::int32_t place :
         ReadDevice(gpu(), outputs->places, static_cast<std::int64_t>(ids.size()))) {
      if (place < 0) continue;
      const std::vector<Bf16> row =
          ReadDevice(gpu(), outputs->rows + place * config_.hidden_size, config_.hidden_size);
      pairs.insert(pairs.end(), row.begin(), row.end());
    }
    return pairs;
  }

  void ExpectOneGpusBytes(const Ids& here) {
    const RankLayout layout = Layout(here);
    const absl::Status checked = host_->Check(layout, kDestination);
    ASSERT_TRUE(checked.ok()) << checked;
    const absl::Status used = host_->Use(layout, kDestination);
    ASSERT_TRUE(used.ok()) << used;
    Ids places(here.size());
    for (std::size_t i = 0; i < places.size(); ++i) places[i] = static_cast<std::int32_t>(i);
    EXPECT_EQ(Outputs(Chosen(places)), OutputsOfOneGpu(Chosen(here)));
  }

  std::unique_ptr<DeviceExperts> experts_;
  std::optional<GpuStream> stream_;
  std::unique_ptr<RankHost> host_;
  std::vector<Bf16> rows_;
};

TEST_F(RankHostTest, SendersCountTheExpertsOfTheLayout) {
  ExpectOneGpusBytes({5, 9, 33, 50});
  ExpectOneGpusBytes({9, 33, 50});  // one is there that is not this rank's
}

TEST_F(RankHostTest, ALayoutAfterExpertsHaveComeAndGone) {
  ExpectOneGpusBytes({5, 9, 33, 50});
  MustLoad({12});
  ExpectOneGpusBytes({5, 12, 33});
  experts_->Drop({9, 50});
  MustLoad({2, 60});
  ExpectOneGpusBytes({2, 5, 12, 33, 60});
}

TEST_F(RankHostTest, AnExpertThatIsNotThereIsNamed) {
  const RankLayout layout = Layout({5, 10, 33});
  const absl::Status checked = host_->Check(layout, kDestination);
  EXPECT_EQ(checked.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(MessageOf(checked), HasSubstr("rank 1 is to compute expert 10"));
  EXPECT_EQ(host_->Use(layout, kDestination).code(), absl::StatusCode::kFailedPrecondition);
  MustLoad({10});
  EXPECT_TRUE(host_->Check(layout, kDestination).ok());
}

TEST_F(RankHostTest, MoreSourcesThanThereIsRoomForAreRefused) {
  EXPECT_TRUE(host_->Check(Layout({5}, 2), kDestination).ok());
  const absl::Status checked = host_->Check(Layout({5}, 3), kDestination);
  EXPECT_EQ(checked.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(MessageOf(checked), HasSubstr("3 ranks that send rows; there is room for 2"));
}

}  // namespace
}  // namespace sextant
