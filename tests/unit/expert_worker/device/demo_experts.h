// The routed experts of the bundled model, mapped and on the device that tests run on.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/config/model_config.h"
#include "common/weights/checkpoint.h"
#include "common/weights/device_upload.h"
#include "expert_worker/device/device_experts.h"
#include "expert_worker/store/expert_store.h"
#include "tests/support/device/device_memory.h"
#include "tests/support/device/test_gpu.h"
#include "tests/support/source_dir.h"

namespace sextant {

inline constexpr int kMoeLayer = 1;  // 1, 2 and 3 have experts, 0 has none

class DemoExpertsTest : public DeviceTest {
 protected:
  void SetUp() override {
    DeviceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    backend_ = OpenTestGpu();
  }

  GpuDriver& gpu() { return *backend_.gpu; }
  const CudaKernels& kernels() { return *backend_.kernels; }

  std::unique_ptr<DeviceUpload> Upload() {
    auto upload = DeviceUpload::Create(gpu(), {.threads = 2, .staging_bytes = 1 << 20});
    EXPECT_TRUE(upload.ok()) << upload.status();
    return *std::move(upload);
  }

  std::unique_ptr<DeviceExperts> Allocate(int slots) {
    auto experts = DeviceExperts::Allocate(gpu(), config_, slots);
    EXPECT_TRUE(experts.ok()) << experts.status();
    return *std::move(experts);
  }

  // With the checkpoint's weights.
  std::unique_ptr<DeviceExperts> Load(const std::vector<std::int32_t>& experts) {
    std::unique_ptr<DeviceExperts> held = Allocate(static_cast<int>(experts.size()));
    const auto loaded = held->Load(experts, store_, *Upload());
    EXPECT_TRUE(loaded.ok()) << loaded.status();
    return held;
  }

  const std::string folder_ = SourceDir() + "/models/demo";
  const ModelConfig config_ = *ReadModelConfig(folder_);
  const Checkpoint checkpoint_ = *Checkpoint::Open(folder_);
  WeightLoader loader_{checkpoint_, Precision::kBf16};
  const ExpertStore store_ = *ExpertStore::Load(config_, AllExperts(config_), loader_);
  CudaBackend backend_;
};

}  // namespace sextant
