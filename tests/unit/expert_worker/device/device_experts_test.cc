#include "expert_worker/device/device_experts.h"

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "tests/support/device/read_device.h"
#include "tests/support/message_of.h"
#include "tests/unit/expert_worker/device/demo_experts.h"

namespace sextant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Ids = std::vector<std::int32_t>;

class DeviceExpertsTest : public DemoExpertsTest {
 protected:
  [[nodiscard]] std::int64_t ExpertBytes() const {
    return std::int64_t{3} * 3 * config_.hidden_size * config_.moe_intermediate_size * 2;
  }

  std::vector<Bf16> Read(const Bf16* matrix) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(matrix) % 256, 0U);
    return ReadDevice(gpu(), matrix, config_.hidden_size * config_.moe_intermediate_size);
  }

  void ExpectThere(const Bf16* matrix, const WeightView& wanted) {
    std::vector<Bf16> values(static_cast<std::size_t>(wanted.rows * wanted.cols));
    std::memcpy(values.data(), wanted.data, values.size() * sizeof(Bf16));
    EXPECT_EQ(Read(matrix), values);
  }

  // Those alone, with the checkpoint's weights in every layer.
  void ExpectHeld(const DeviceExperts& experts, const Ids& ids) {
    EXPECT_EQ(experts.Ids(), ids);
    for (const std::int32_t expert : ids) {
      const std::optional<int> slot = experts.SlotOf(expert);
      ASSERT_TRUE(slot.has_value()) << expert;
      for (int layer = 1; layer < 4; ++layer) {
        SCOPED_TRACE(testing::Message() << "layer " << layer << ", expert " << expert);
        const ExpertWeightsCuda there = experts.At(layer, *slot);
        const FeedForwardWeights& wanted = *store_.Find(layer, expert);
        ExpectThere(there.gate, wanted.gate);
        ExpectThere(there.up, wanted.up);
        ExpectThere(there.down, wanted.down);
      }
    }
  }
};

TEST_F(DeviceExpertsTest, ExpertsOfEveryMoeLayerArrive) {
  const auto experts = Load({9, 63, 3});
  EXPECT_EQ(experts->slots(), 3);
  ExpectHeld(*experts, {3, 9, 63});
  EXPECT_EQ(experts->SlotOf(4), std::nullopt);
  EXPECT_EQ(experts->SlotOf(-1), std::nullopt);
}

TEST_F(DeviceExpertsTest, BytesAreThoseOfTheMatrices) {
  EXPECT_EQ(DeviceExperts::Bytes(config_, 0), 0);
  EXPECT_EQ(DeviceExperts::Bytes(config_, 1), ExpertBytes());
  EXPECT_EQ(DeviceExperts::Bytes(config_, 64), 64 * ExpertBytes());
}

TEST_F(DeviceExpertsTest, FreshSlotsHoldNothing) {
  const auto experts = Allocate(2);
  EXPECT_THAT(experts->Ids(), IsEmpty());
  EXPECT_EQ(experts->SlotOf(0), std::nullopt);
  EXPECT_EQ(experts->SlotOf(-1), std::nullopt);
}

TEST_F(DeviceExpertsTest, AnExpertTakesTheSlotOfOneThatHasGone) {
  const auto experts = Load({3, 9, 63});
  const std::optional<int> slot = experts->SlotOf(9);
  const ExpertWeightsCuda place = experts->At(kMoeLayer, *slot);
  const std::optional<int> kept = experts->SlotOf(63);
  experts->Drop({9, 17});  // 17 is not there
  EXPECT_THAT(experts->Ids(), ElementsAre(3, 63));
  EXPECT_EQ(experts->SlotOf(9), std::nullopt);
  const auto loaded = experts->Load({20}, store_, *Upload());
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(experts->SlotOf(20), slot);
  EXPECT_EQ(experts->At(kMoeLayer, *slot).gate, place.gate);
  EXPECT_EQ(experts->SlotOf(63), kept);
  ExpectHeld(*experts, {3, 20, 63});
}

TEST_F(DeviceExpertsTest, WhatIsThereIsNoWork) {
  const auto experts = Allocate(3);
  const auto upload = Upload();
  EXPECT_EQ(experts->Load({4, 2, 4}, store_, *upload).value(), 2 * ExpertBytes());
  EXPECT_EQ(experts->Load({2, 4}, store_, *upload).value(), 0);
  EXPECT_EQ(experts->Load({}, store_, *upload).value(), 0);
  const std::optional<int> slot = experts->SlotOf(4);
  EXPECT_EQ(experts->Load({4, 1}, store_, *upload).value(), ExpertBytes());
  EXPECT_EQ(experts->SlotOf(4), slot);
  EXPECT_EQ(upload->Finish()->bytes, 3 * ExpertBytes());
  ExpectHeld(*experts, {1, 2, 4});
}

TEST_F(DeviceExpertsTest, TooFewSlotsAreToldAndNothingChanges) {
  const auto experts = Allocate(3);
  const auto upload = Upload();
  ASSERT_TRUE(experts->Load({5, 6}, store_, *upload).ok());
  const absl::Status status = experts->Load({5, 7, 8}, store_, *upload).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(MessageOf(status), HasSubstr("2 more experts"));
  EXPECT_THAT(MessageOf(status), HasSubstr("3 slots for experts, of which 1 are free"));
  EXPECT_THAT(MessageOf(status), HasSubstr("raise expert_slots"));
  EXPECT_EQ(upload->Finish()->bytes, 2 * ExpertBytes());
  ExpectHeld(*experts, {5, 6});
}

TEST_F(DeviceExpertsTest, ALoadThatFailsHalfWayChangesNothing) {
  const ExpertStore few = *ExpertStore::Load(config_, {3, 5}, loader_);
  const auto experts = Allocate(3);
  const auto upload = Upload();
  ASSERT_TRUE(experts->Load({5}, few, *upload).ok());
  const absl::Status status = experts->Load({3, 4}, few, *upload).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(MessageOf(status), HasSubstr("expert 4 of layer 1 is not in the store"));
  ExpectHeld(*experts, {5});
  // Nothing of it arrives later, in slots that others have by then.
  ASSERT_TRUE(experts->Load({30, 31}, store_, *Upload()).ok());
  ASSERT_TRUE(upload->Finish().ok());
  ExpectHeld(*experts, {5, 30, 31});
}

TEST_F(DeviceExpertsTest, IdsOutOfRangeAreRefused) {
  const auto experts = Allocate(3);
  for (const std::int32_t wrong : {-1, 64}) {
    const absl::Status status = experts->Load({2, wrong}, store_, *Upload()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(MessageOf(status), HasSubstr("is outside [0, 64)"));
  }
  EXPECT_THAT(experts->Ids(), IsEmpty());
}

TEST_F(DeviceExpertsTest, RandomExpertsAreOfTheSeedAndDiffer) {
  std::vector<std::vector<Bf16>> gates;
  for (const std::uint64_t seed : {5U, 5U, 6U}) {
    const auto experts = Allocate(2);
    const absl::Status filled = experts->FillRandom(gpu(), kernels(), seed);
    ASSERT_TRUE(filled.ok()) << filled;
    EXPECT_THAT(experts->Ids(), ElementsAre(0, 1));
    gates.push_back(Read(experts->At(kMoeLayer, 0).gate));
    EXPECT_NE(Read(experts->At(kMoeLayer, 0).up), gates.back());
    EXPECT_NE(Read(experts->At(kMoeLayer, 1).gate), gates.back());
    EXPECT_NE(Read(experts->At(2, 0).gate), gates.back());

    double squares = 0;
    const std::vector<Bf16> down = Read(experts->At(kMoeLayer, 1).down);
    for (const Bf16 value : down) squares += std::pow(static_cast<double>(ToFloat(value)), 2);
    const auto count = static_cast<double>(down.size());
    // Of 1 / sqrt(32): five standard errors, and the rounding to bf16.
    EXPECT_NEAR(std::sqrt(squares / count * 32), 1.0, 5.0 / std::sqrt(2 * count) + 0.002);
  }
  EXPECT_EQ(gates[0], gates[1]);
  EXPECT_NE(gates[0], gates[2]);
}

}  // namespace
}  // namespace sextant
