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

  DeviceExperts Allocate(std::vector<std::int32_t> experts) {
    auto held = DeviceExperts::Allocate(gpu(), config_, std::move(experts));
    EXPECT_TRUE(held.ok()) << held.status();
    return *std::move(held);
  }

  // With the checkpoint's weights.
  DeviceExperts Load(std::vector<std::int32_t> experts) {
    DeviceExperts held = Allocate(std::move(experts));
    const auto upload = Upload();
    const absl::Status uploaded = held.Upload(store_, *upload);
    EXPECT_TRUE(uploaded.ok()) << uploaded;
    EXPECT_TRUE(upload->Finish().ok());
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
