// Which device a model that runs in this process gets.
#include "cli/engine/local_engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/golden/golden_model.h"
#include "tests/support/device/device_memory.h"
#include "tests/support/device/test_gpu.h"
#include "tests/support/message_of.h"

namespace sextant::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// One with the widths that the kernels have, and one with others.
constexpr char kFits[] = "lite";
constexpr char kOther[] = "plain";

class LocalEngineTest : public DeviceTest {
 protected:
  static absl::StatusOr<std::unique_ptr<LocalEngine>> Open(const char* model, EngineConfig config,
                                                           LocalEngine::Options options = {}) {
    config.threads = 1;
    config.cache_tokens = 640;
    config.max_batch_tokens = 64;
    options.open_gpu = [](int number) -> absl::StatusOr<CudaBackend> {
      EXPECT_EQ(number, 0);
      return OpenTestGpu();
    };
    return LocalEngine::Open(GoldenModelFolder(model), config, options);
  }
};

TEST_F(LocalEngineTest, AutoTakesTheGpuThatRunsTheModel) {
  const auto engine = Open(kFits, {.device = DeviceChoice::kAuto});
  ASSERT_TRUE(engine.ok()) << engine.status();
  EXPECT_EQ((*engine)->whole().profile(), "cuda");
}

TEST_F(LocalEngineTest, AutoTakesTheCpuForAModelThatTheGpuCannotRun) {
  const auto other = Open(kOther, {.device = DeviceChoice::kAuto});
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_THAT((*other)->whole().profile(), StartsWith("cpu"));
  const auto large = Open(kFits, {.device = DeviceChoice::kAuto, .device_memory_bytes = 1 << 20});
  ASSERT_TRUE(large.ok()) << large.status();
  EXPECT_THAT((*large)->whole().profile(), StartsWith("cpu"));
  const auto fp32 = Open(kFits, {.dtype = Precision::kFp32, .device = DeviceChoice::kAuto});
  ASSERT_TRUE(fp32.ok()) << fp32.status();
  EXPECT_THAT((*fp32)->whole().profile(), StartsWith("cpu"));
}

TEST_F(LocalEngineTest, AGpuThatIsAskedForMustRunTheModel) {
  EXPECT_THAT(MessageOf(Open(kOther, {.device = DeviceChoice::kCuda})), HasSubstr("kv_lora_rank"));
  EXPECT_THAT(
      MessageOf(Open(kFits, {.device = DeviceChoice::kCuda, .device_memory_bytes = 1 << 20})),
      HasSubstr("MiB"));
}

TEST_F(LocalEngineTest, RandomWeightsSayWhyTheGpuHasNoRoomForThem) {
  const auto engine = Open(kFits, {.device = DeviceChoice::kAuto, .device_memory_bytes = 1 << 20},
                           {.random_weights = true});
  EXPECT_EQ(engine.status().code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(LocalEngineTest, TheCpuThatIsAskedForIsTaken) {
  const auto engine = Open(kFits, {.device = DeviceChoice::kCpu});
  ASSERT_TRUE(engine.ok()) << engine.status();
  EXPECT_THAT((*engine)->whole().profile(), StartsWith("cpu"));
}

}  // namespace
}  // namespace sextant::cli
