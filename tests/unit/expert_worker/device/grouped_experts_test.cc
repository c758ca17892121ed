// Experts in slots of any order, at work while others come and go.
#include "expert_worker/device/grouped_experts.h"

#include <gmock/gmock.h>

#include <atomic>
#include <memory>
#include <thread>
#include <utility>

#include "common/device/arena_carver.h"
#include "tests/support/device/read_device.h"
#include "tests/support/device/values.h"
#include "tests/support/message_of.h"
#include "tests/unit/expert_worker/device/demo_experts.h"

namespace sextant {
namespace {

using ::testing::HasSubstr;
using Ids = std::vector<std::int32_t>;

constexpr std::int64_t kRows = 5;

// A list of experts and the workspaces for it.
class Group {
 public:
  Group(GpuDriver& gpu, const CudaKernels& kernels, const ModelConfig& config,
        const DeviceExperts& experts)
      : config_(config),
        stream_(*GpuStream::Create(gpu)),
        memory_(*GpuMemory::Allocate(gpu, GpuMemory::Place::kDevice,
                                     GroupedExperts::Bytes(config, experts.slots(), kRows),
                                     "a test")),
        carver_(memory_.data()),
        grouped_(kernels, config, experts, kRows, carver_) {}

  [[nodiscard]] absl::Status Use(const Ids& experts) { return grouped_.Use(stream_, experts); }

  // What each choice of each row gets, one after another; `ids` are places in the list.
  std::vector<Bf16> Run(const std::vector<Bf16>& rows, const Ids& ids) {
    const DeviceArray<Bf16> rows_there(rows);
    const DeviceArray<std::int32_t> ids_there(ids);
    const absl::Status ran = grouped_.Run(stream_.handle(), {.layer = kMoeLayer,
                                                             .rows = rows_there.data(),
                                                             .local_ids = ids_there.data(),
                                                             .count = kRows});
    EXPECT_TRUE(ran.ok()) << ran;
    EXPECT_TRUE(stream_.Synchronize().ok());
    GpuDriver& gpu = stream_.gpu();
    std::vector<Bf16> outputs;
    for (const std::int32_t place :
         ReadDevice(gpu, grouped_.places(), static_cast<std::int64_t>(ids.size()))) {
      EXPECT_GE(place, 0);
      const std::vector<Bf16> row =
          ReadDevice(gpu, grouped_.outputs() + place * config_.hidden_size, config_.hidden_size);
      outputs.insert(outputs.end(), row.begin(), row.end());
    }
    return outputs;
  }

 private:
  const ModelConfig& config_;
  GpuStream stream_;
  GpuMemory memory_;
  ArenaCarver carver_;
  GroupedExperts grouped_;
};

class GroupedExpertsTest : public DemoExpertsTest {
 protected:
  void SetUp() override {
    DemoExpertsTest::SetUp();
    rows_ = NormalBf16(kRows * config_.hidden_size, 1.0, 1);
    // Of a list of eight, which no row chooses from twice.
    for (std::int32_t row = 0; row < kRows; ++row) {
      for (std::int32_t k = 0; k < config_.num_experts_per_tok; ++k) {
        ids_.push_back((3 * row + k) % 8);
      }
    }
  }

  std::unique_ptr<Group> GroupOf(const DeviceExperts& experts) {
    return std::make_unique<Group>(gpu(), kernels(), config_, experts);
  }

  // Of a set that holds these alone, in their order.
  std::vector<Bf16> Fresh(const Ids& experts) {
    const auto held = Load(experts);
    const auto group = GroupOf(*held);
    EXPECT_TRUE(group->Use(experts).ok());
    return group->Run(rows_, ids_);
  }

  void MustLoad(DeviceExperts& experts, const Ids& ids) {
    const auto loaded = experts.Load(ids, store_, *Upload());
    EXPECT_TRUE(loaded.ok()) << loaded.status();
  }

  std::vector<Bf16> rows_;  // [kRows, H]
  Ids ids_;                 // [kRows, K]
};

TEST_F(GroupedExpertsTest, AListNamesExpertsWhereverTheyLie) {
  const Ids list = {2, 7, 9, 20, 31, 40, 55, 63};
  const auto experts = Allocate(10);
  MustLoad(*experts, {63, 31});
  MustLoad(*experts, {9, 50, 55});
  MustLoad(*experts, {2, 7, 20, 40});
  const auto group = GroupOf(*experts);
  ASSERT_TRUE(group->Use(list).ok());
  EXPECT_EQ(group->Run(rows_, ids_), Fresh(list));
  const Ids others = {63, 50, 2, 9, 40, 20, 55, 7};
  ASSERT_TRUE(group->Use(others).ok());
  EXPECT_EQ(group->Run(rows_, ids_), Fresh(others));
}

TEST_F(GroupedExpertsTest, AnotherExpertInTheSameSlotIsTheOtherOne) {
  const Ids list = {0, 1, 2, 3, 4, 5, 6, 7};
  const Ids after = {0, 1, 2, 3, 4, 6, 7, 60};
  const auto experts = Load(list);
  const auto group = GroupOf(*experts);
  ASSERT_TRUE(group->Use(list).ok());
  const std::vector<Bf16> before = group->Run(rows_, ids_);
  experts->Drop({5});
  MustLoad(*experts, {60});
  ASSERT_TRUE(group->Use(after).ok());
  EXPECT_EQ(group->Run(rows_, ids_), Fresh(after));
  experts->Drop({60});
  MustLoad(*experts, {5});
  ASSERT_TRUE(group->Use(list).ok());
  EXPECT_EQ(group->Run(rows_, ids_), before);
}

TEST_F(GroupedExpertsTest, AListWithAnExpertThatIsNotThereLeavesTheOneBefore) {
  const Ids list = {0, 1, 2, 3, 4, 5, 6, 7};
  const auto experts = Load(list);
  const auto group = GroupOf(*experts);
  ASSERT_TRUE(group->Use(list).ok());
  const std::vector<Bf16> before = group->Run(rows_, ids_);
  const absl::Status status = group->Use({7, 6, 5, 4, 3, 2, 1, 8});
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(MessageOf(status), HasSubstr("expert 8 is not on the GPU"));
  EXPECT_EQ(group->Run(rows_, ids_), before);
}

TEST_F(GroupedExpertsTest, ExpertsThatComeAndGoMeanwhileChangeNoByte) {
  const Ids list = {0, 1, 2, 3, 4, 5, 6, 7};
  const std::vector<Bf16> wanted = Fresh(list);
  const auto experts = Allocate(12);
  MustLoad(*experts, {4, 5, 6, 7});
  MustLoad(*experts, {20, 21});
  MustLoad(*experts, {0, 1, 2, 3});
  const auto group = GroupOf(*experts);
  ASSERT_TRUE(group->Use(list).ok());
  std::atomic<bool> over = false;
  std::thread loader([&] {
    const auto upload = Upload();
    Ids there = {20, 21};
    for (std::int32_t round = 0; round < 12; ++round) {
      // Two are there while two come, as when one placement follows another.
      const Ids next = {24 + 2 * round, 25 + 2 * round};
      const auto loaded = experts->Load(next, store_, *upload);
      EXPECT_TRUE(loaded.ok()) << loaded.status();
      experts->Drop(there);
      there = next;
    }
    over.store(true);
  });
  int runs = 0;
  while (!over.load() || runs < 3) {
    EXPECT_EQ(group->Run(rows_, ids_), wanted);
    ++runs;
  }
  loader.join();
  const Ids after = {0, 1, 2, 3, 4, 5, 46, 47};
  ASSERT_TRUE(group->Use(after).ok());
  EXPECT_EQ(group->Run(rows_, ids_), Fresh(after));
}

}  // namespace
}  // namespace sextant
