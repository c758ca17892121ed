#include "kernels/cuda_module/cuda_backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>

namespace sextant {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;

// SEXTANT_CUDA_MODULE names a file for the time of a test.
class CudaBackendTest : public testing::Test {
 protected:
  ~CudaBackendTest() override { unsetenv("SEXTANT_CUDA_MODULE"); }

  static absl::StatusOr<CudaBackend> OpenFrom(const std::string& module, int device = 0) {
    setenv("SEXTANT_CUDA_MODULE", module.c_str(), 1);
    return OpenCuda(device);
  }
  static std::string WhyNot(const absl::StatusOr<CudaBackend>& backend) {
    EXPECT_EQ(backend.status().code(), absl::StatusCode::kFailedPrecondition);
    return std::string(backend.status().message());
  }
};

TEST_F(CudaBackendTest, AModuleOfThisBuildIsOpened) {
  const absl::StatusOr<CudaBackend> backend = OpenFrom(STAND_IN_MODULE);
  ASSERT_TRUE(backend.ok()) << backend.status();
  ASSERT_NE(backend->kernels, nullptr);
  EXPECT_EQ(backend->kernels->linear, nullptr);
}

TEST_F(CudaBackendTest, WhatTheModuleSaysOfAGpuIsPassedOn) {
  EXPECT_EQ(WhyNot(OpenFrom(STAND_IN_MODULE, 1)), "no GPU can be used: only GPU 0 is there");
}

TEST_F(CudaBackendTest, ABuildWithoutCudaSaysHowToGetOneThatHasIt) {
  unsetenv("SEXTANT_CUDA_MODULE");  // and none lies beside this test
  const absl::Status missing = OpenCuda(0).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.message()),
              AllOf(HasSubstr("this build has no CUDA (there is no /"),
                    HasSubstr("/sextant_cuda.so)"), HasSubstr("preset `cuda`")));
}

TEST_F(CudaBackendTest, ANamedModuleThatIsNotThereIsSaidToBeMissing) {
  EXPECT_EQ(WhyNot(OpenFrom("/nowhere/a.so")),
            "no GPU can be used: SEXTANT_CUDA_MODULE names /nowhere/a.so, which is not there");
}

TEST_F(CudaBackendTest, AFileThatIsNoLibraryIsRefused) {
  const std::string path = testing::TempDir() + "/no_library.so";
  std::ofstream(path) << "These words are no code, however many of them there are in this file.";
  EXPECT_THAT(WhyNot(OpenFrom(path)), AllOf(HasSubstr("cannot be loaded"), HasSubstr(path)));
}

TEST_F(CudaBackendTest, AnotherLibraryIsRefused) {
  EXPECT_THAT(WhyNot(OpenFrom(NO_MODULE)), EndsWith("is not Sextant's CUDA module"));
}

TEST_F(CudaBackendTest, AModuleOfAnotherBuildIsRefused) {
  EXPECT_THAT(WhyNot(OpenFrom(OTHER_MODULE)),
              AllOf(HasSubstr("is of another build (another, and"), HasSubstr("build both")));
}

}  // namespace
}  // namespace sextant
