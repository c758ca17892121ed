#include "expert_worker/device/device_experts.h"

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>

#include "tests/support/device/read_device.h"
#include "tests/support/message_of.h"
#include "tests/unit/expert_worker/device/demo_experts.h"

namespace sextant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DeviceExpertsTest : public DemoExpertsTest {
 protected:
  std::vector<ExpertWeightsCuda> ListOf(const DeviceExperts& experts, int layer) {
    return ReadDevice(gpu(), experts.Layer(layer), static_cast<std::int64_t>(experts.ids().size()));
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
};

TEST_F(DeviceExpertsTest, HeldExpertsOfEveryMoeLayerArrive) {
  const DeviceExperts experts = Load({3, 9, 63});
  EXPECT_THAT(experts.ids(), ElementsAre(3, 9, 63));
  EXPECT_EQ(experts.Layer(0), nullptr);
  EXPECT_EQ(experts.Layer(4), nullptr);
  EXPECT_EQ(experts.Layer(-1), nullptr);
  for (int layer = 1; layer < 4; ++layer) {
    const std::vector<ExpertWeightsCuda> list = ListOf(experts, layer);
    for (std::size_t i = 0; i < list.size(); ++i) {
      SCOPED_TRACE(testing::Message() << "layer " << layer << ", expert " << experts.ids()[i]);
      const FeedForwardWeights& wanted = *store_.Find(layer, experts.ids()[i]);
      ExpectThere(list[i].gate, wanted.gate);
      ExpectThere(list[i].up, wanted.up);
      ExpectThere(list[i].down, wanted.down);
    }
  }
}

TEST_F(DeviceExpertsTest, BytesAreThoseOfTheMatricesAndTheirLists) {
  const std::int64_t matrices = 3 * config_.hidden_size * config_.moe_intermediate_size * 2;
  EXPECT_EQ(DeviceExperts::Bytes(config_, 0), 0);
  EXPECT_EQ(DeviceExperts::Bytes(config_, 1), 3 * (matrices + 256));
  EXPECT_EQ(DeviceExperts::Bytes(config_, 64), 3 * (64 * matrices + 64 * 24));
}

TEST_F(DeviceExpertsTest, AnExpertThatTheStoreLacksIsNamed) {
  const ExpertStore few = *ExpertStore::Load(config_, {3}, loader_);
  DeviceExperts experts = Allocate({3, 4});
  const auto upload = Upload();
  const absl::Status status = experts.Upload(few, *upload);
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(MessageOf(status), HasSubstr("expert 4 of layer 1 is not in the store"));
}

TEST_F(DeviceExpertsTest, RandomExpertsAreOfTheSeedAndDiffer) {
  std::vector<std::vector<Bf16>> gates;
  for (const std::uint64_t seed : {5U, 5U, 6U}) {
    DeviceExperts experts = Allocate({0, 1});
    const auto upload = Upload();
    const absl::Status filled = experts.FillRandom(gpu(), kernels(), seed, *upload);
    ASSERT_TRUE(filled.ok()) << filled;
    ASSERT_TRUE(upload->Finish().ok());
    const std::vector<ExpertWeightsCuda> list = ListOf(experts, kMoeLayer);
    gates.push_back(Read(list[0].gate));
    EXPECT_NE(Read(list[0].up), gates.back());
    EXPECT_NE(Read(list[1].gate), gates.back());
    EXPECT_NE(Read(ListOf(experts, 2)[0].gate), gates.back());

    double squares = 0;
    const std::vector<Bf16> down = Read(list[1].down);
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
