// Experts come and go on one thread while others read those that stay and ask what is there.
// Without kernels, so that it can run under every sanitizer.
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/config/model_config.h"
#include "common/device/gpu.h"
#include "common/weights/checkpoint.h"
#include "common/weights/device_upload.h"
#include "expert_worker/device/device_experts.h"
#include "expert_worker/store/expert_store.h"
#include "tests/support/device/emulated_gpu.h"
#include "tests/support/source_dir.h"

namespace sextant {
namespace {

using Ids = std::vector<std::int32_t>;

constexpr std::int32_t kStaying = 3;
constexpr int kLayer = 1;

class DeviceExpertsThreadsTest : public testing::Test {
 protected:
  void SetUp() override {
    auto experts = DeviceExperts::Allocate(gpu_, config_, 5);
    ASSERT_TRUE(experts.ok()) << experts.status();
    experts_ = *std::move(experts);
    auto upload = DeviceUpload::Create(gpu_, {.threads = 2, .staging_bytes = 64 << 10});
    ASSERT_TRUE(upload.ok()) << upload.status();
    upload_ = *std::move(upload);
    Load({kStaying, 10, 11});
  }

  void Load(const Ids& ids) {
    const auto loaded = experts_->Load(ids, store_, *upload_);
    EXPECT_TRUE(loaded.ok()) << loaded.status();
  }

  void ComeAndGo() {
    for (std::int32_t round = 0; round < 20; ++round) {
      Load({12 + 2 * round, 13 + 2 * round});
      experts_->Drop({10 + 2 * round, 11 + 2 * round});
    }
  }

  [[nodiscard]] std::string Wanted() const {
    const WeightView& gate = store_.Find(kLayer, kStaying)->gate;
    return {static_cast<const char*>(gate.data), static_cast<std::size_t>(gate.bytes())};
  }

  EmulatedGpu gpu_;
  const std::string folder_ = SourceDir() + "/models/demo";
  const ModelConfig config_ = *ReadModelConfig(folder_);
  const Checkpoint checkpoint_ = *Checkpoint::Open(folder_);
  WeightLoader loader_{checkpoint_, Precision::kBf16};
  const ExpertStore store_ = *ExpertStore::Load(config_, AllExperts(config_), loader_);
  std::unique_ptr<DeviceExperts> experts_;
  std::unique_ptr<DeviceUpload> upload_;
};

TEST_F(DeviceExpertsThreadsTest, AGraphReadsAnExpertThatStays) {
  const std::string wanted = Wanted();
  const auto bytes = static_cast<std::int64_t>(wanted.size());
  const auto here = GpuMemory::Allocate(gpu_, GpuMemory::Place::kPinnedHost, bytes, "a test");
  const auto stream = GpuStream::Create(gpu_);
  ASSERT_TRUE(here.ok() && stream.ok());
  const Bf16* const gate = experts_->At(kLayer, *experts_->SlotOf(kStaying)).gate;
  std::atomic<bool> over = false;
  std::thread loader([&] {
    ComeAndGo();
    over.store(true);
  });
  int reads = 0;
  while (!over.load() || reads < 3) {
    std::memset(here->data(), 0, wanted.size());
    const auto graph = CaptureGraph(*stream, "a test", [&] {
      return ToStatus(gpu_.CopyOut(stream->handle(), here->data(), gate, bytes), "a test");
    });
    EXPECT_TRUE(graph.ok()) << graph.status();
    if (!graph.ok()) break;
    EXPECT_TRUE(gpu_.Launch(stream->handle(), graph->handle()).ok());
    EXPECT_TRUE(stream->Synchronize().ok());
    EXPECT_EQ(std::memcmp(here->data(), wanted.data(), wanted.size()), 0);
    ++reads;
  }
  loader.join();
}

TEST_F(DeviceExpertsThreadsTest, WhoeverAsksSeesWholeChanges) {
  std::atomic<bool> over = false;
  std::thread loader([&] {
    ComeAndGo();
    over.store(true);
  });
  const std::optional<int> slot = experts_->SlotOf(kStaying);
  while (!over.load()) {
    EXPECT_EQ(experts_->SlotOf(kStaying), slot);
    // Both of a pair have come, or neither.
    EXPECT_EQ(experts_->Ids().size() % 2, 1U);
  }
  loader.join();
  EXPECT_EQ(experts_->Ids(), (Ids{kStaying, 50, 51}));
}

}  // namespace
}  // namespace sextant
