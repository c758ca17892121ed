// Which device a whole worker computes on, and what it offers its cluster.
#include "cli/worker/whole_worker_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/membership/worker_hello.h"
#include "tests/golden/golden_model.h"
#include "tests/support/device/device_memory.h"
#include "tests/support/device/test_gpu.h"
#include "tests/support/message_of.h"

namespace sextant::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class WholeWorkerModelTest : public DeviceTest {
 protected:
  void Read(const char* model) {
    config_ = *ReadModelConfig(GoldenModelFolder(model));
    checkpoint_ = std::make_unique<Checkpoint>(*Checkpoint::Open(GoldenModelFolder(model)));
  }

  absl::StatusOr<std::unique_ptr<WorkerModel>> Open(const WholeWorkerDevice& device,
                                                    std::int64_t cache_tokens = 640,
                                                    Precision precision = Precision::kBf16) {
    return OpenWholeWorkerModel({.config = config_,
                                 .checkpoint = *checkpoint_,
                                 .metrics = attention_metrics_,
                                 .log = Logger("test", LogLevel::kError),
                                 .threads = 1,
                                 .precision = precision,
                                 .cache_tokens = cache_tokens,
                                 .max_batch_tokens = 64,
                                 .max_sequences = 8},
                                device);
  }

  // A host with so many GPUs.
  static OpenGpu Gpus(int count) {
    return [count](int number) -> absl::StatusOr<CudaBackend> {
      if (number < count) return OpenTestGpu();
      return absl::FailedPreconditionError(absl::StrCat("there is no GPU number ", number));
    };
  }

  Metrics metrics_;
  AttentionMetrics attention_metrics_{metrics_};
  ModelConfig config_;
  std::unique_ptr<Checkpoint> checkpoint_;
};

TEST_F(WholeWorkerModelTest, AGpuOffersItsOwnProfileAloneAndHasItsCacheAtOnce) {
  Read("lite");
  const auto model = Open({.choice = DeviceChoice::kAuto, .open_gpu = Gpus(1)});
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_THAT((*model)->profiles(), ElementsAre("cuda"));
  EXPECT_EQ((*model)->role(), v1::ROLE_WHOLE);
  EXPECT_EQ((*model)->cache().shape().num_blocks, 10);
  EXPECT_THAT(MessageOf((*model)->Build("cpu-avx2", "whole-1")), HasSubstr("computes cuda"));
  EXPECT_TRUE((*model)->Build("cuda", "whole-1").ok());
  EXPECT_TRUE((*model)->Check().ok());
  EXPECT_EQ((*model)->Prepare(v1::Placement()).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(WholeWorkerModelTest, ACpuOffersAllThatItHasAndIsBuiltForAnyOfIt) {
  Read("plain");
  const std::vector<std::string> offered = *OfferedProfiles();
  for (const std::string& profile : offered) {
    const auto model = Open({.choice = DeviceChoice::kCpu, .open_gpu = Gpus(1)});
    ASSERT_TRUE(model.ok()) << model.status();
    EXPECT_EQ((*model)->profiles(), offered);
    EXPECT_EQ((*model)->cache().shape().num_blocks, 10);
    EXPECT_TRUE((*model)->Build(profile, "whole-1").ok()) << profile;
  }
}

TEST_F(WholeWorkerModelTest, WithoutASizeTheCacheIsThatOfACpuOrAllThatAGpuHasRoomFor) {
  Read("lite");
  const auto host = Open({.choice = DeviceChoice::kCpu}, 0);
  ASSERT_TRUE(host.ok()) << host.status();
  EXPECT_EQ((*host)->cache().shape().num_blocks, kHostCacheTokens / 64);
  const auto gpu = Open(
      {.choice = DeviceChoice::kCuda, .memory_bytes = std::int64_t{1} << 28, .open_gpu = Gpus(1)},
      0);
  ASSERT_TRUE(gpu.ok()) << gpu.status();
  EXPECT_GT((*gpu)->cache().shape().num_blocks, kHostCacheTokens / 64);
}

TEST_F(WholeWorkerModelTest, AutoTakesTheCpuWhereNoGpuRunsTheModel) {
  Read("lite");
  for (const OpenGpu& open : {Gpus(0), OpenGpu([](int) -> absl::StatusOr<CudaBackend> {
                                return absl::NotFoundError("no module");
                              })}) {
    const auto none = Open({.choice = DeviceChoice::kAuto, .open_gpu = open});
    ASSERT_TRUE(none.ok()) << none.status();
    EXPECT_EQ((*none)->profiles(), *OfferedProfiles());
  }
  const auto fp32 =
      Open({.choice = DeviceChoice::kAuto, .open_gpu = Gpus(1)}, 640, Precision::kFp32);
  ASSERT_TRUE(fp32.ok()) << fp32.status();
  EXPECT_EQ((*fp32)->profiles(), *OfferedProfiles());
  Read("plain");
  const auto other = Open({.choice = DeviceChoice::kAuto, .open_gpu = Gpus(1)});
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ((*other)->profiles(), *OfferedProfiles());
}

TEST_F(WholeWorkerModelTest, AGpuThatIsAskedForMustBeThere) {
  Read("lite");
  EXPECT_THAT(MessageOf(Open({.choice = DeviceChoice::kCuda, .open_gpu = Gpus(0)})),
              HasSubstr("no GPU number 0"));
  Read("plain");
  EXPECT_THAT(MessageOf(Open({.choice = DeviceChoice::kCuda, .open_gpu = Gpus(1)})),
              HasSubstr("kv_lora_rank"));
}

// A worker on the CPU beside one on a GPU would only be refused, or have that one refused.
TEST_F(WholeWorkerModelTest, OneMoreWorkerThanThereAreGpusIsAnError) {
  Read("lite");
  EXPECT_THAT(MessageOf(Open({.choice = DeviceChoice::kAuto, .gpu = 1, .open_gpu = Gpus(1)})),
              HasSubstr("each whole worker takes one: there is no GPU number 1"));
  EXPECT_TRUE(Open({.choice = DeviceChoice::kAuto, .gpu = 1, .open_gpu = Gpus(2)}).ok());
  EXPECT_TRUE(Open({.choice = DeviceChoice::kAuto, .gpu = 1, .open_gpu = Gpus(0)}).ok());
  // Where the GPU would not be used anyway it is none.
  Read("plain");
  EXPECT_TRUE(Open({.choice = DeviceChoice::kAuto, .gpu = 1, .open_gpu = Gpus(1)}).ok());
}

TEST_F(WholeWorkerModelTest, TheFirstWorkerTakesNoCpuBesideAGpuThatWorks) {
  Read("lite");
  const OpenGpu only_second = [](int number) -> absl::StatusOr<CudaBackend> {
    if (number == 1) return OpenTestGpu();
    return absl::FailedPreconditionError(absl::StrCat("GPU number ", number, " is broken"));
  };
  EXPECT_THAT(MessageOf(Open({.choice = DeviceChoice::kAuto, .open_gpu = only_second})),
              HasSubstr("this host has GPUs, and each whole worker takes one: GPU number 0"));
  EXPECT_TRUE(Open({.choice = DeviceChoice::kAuto, .gpu = 1, .open_gpu = only_second}).ok());
}

TEST_F(WholeWorkerModelTest, AGpuThatIsTooSmallIsAnErrorAlsoForAuto) {
  Read("lite");
  const auto small =
      Open({.choice = DeviceChoice::kAuto, .memory_bytes = 1 << 16, .open_gpu = Gpus(1)});
  EXPECT_FALSE(small.ok());
  EXPECT_EQ(
      small.status(),
      Open({.choice = DeviceChoice::kCuda, .memory_bytes = 1 << 16, .open_gpu = Gpus(1)}).status());
}

}  // namespace
}  // namespace sextant::cli
