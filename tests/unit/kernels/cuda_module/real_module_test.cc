// The module of this build, which loads anywhere, and opens a GPU or says why there is none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "kernels/cuda_module/cuda_backend.h"

namespace sextant {
namespace {

TEST(RealModuleTest, OpensAGpuOrSaysWhyThereIsNone) {
  setenv("SEXTANT_CUDA_MODULE", REAL_MODULE, 1);
  const absl::StatusOr<CudaBackend> backend = OpenCuda(0);
  if (backend.ok()) {
    GpuInfo info;
    ASSERT_TRUE(backend->gpu->Describe(&info).ok());
    EXPECT_GE(info.major, 8);
    EXPECT_NE(backend->kernels->linear, nullptr);
    return;
  }
  EXPECT_EQ(backend.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(backend.status().message()), testing::StartsWith("no GPU can be used: "));
  EXPECT_THAT(std::string(backend.status().message()), testing::HasSubstr("NVIDIA driver"));
}

TEST(RealModuleTest, AGpuThatIsNotThereIsNotOpened) {
  setenv("SEXTANT_CUDA_MODULE", REAL_MODULE, 1);
  EXPECT_EQ(OpenCuda(1000).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(OpenCuda(-1000).status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace sextant
