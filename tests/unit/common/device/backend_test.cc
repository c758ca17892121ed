#include "common/device/backend.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>
#include <vector>

namespace sextant {
namespace {

class ChooseBackendTest : public testing::Test {
 protected:
  void TearDown() override { unsetenv("SEXTANT_BACKEND"); }
};

TEST_F(ChooseBackendTest, NamesParseBack) {
  for (Backend backend : SupportedBackends()) {
    EXPECT_EQ(*ParseBackend(Name(backend)), backend);
  }
}

TEST_F(ChooseBackendTest, EnvironmentForcesALowerOne) {
  setenv("SEXTANT_BACKEND", "reference", 1);
  EXPECT_EQ(*ChooseBackend(), Backend::kReference);
}

TEST_F(ChooseBackendTest, TheLastOneIsTheBest) {
  const std::vector<Backend> supported = SupportedBackends();
  EXPECT_EQ(supported.front(), Backend::kReference);
  EXPECT_EQ(std::set<Backend>(supported.begin(), supported.end()).size(), supported.size());
  EXPECT_EQ(*ChooseBackend(), supported.back());
}

TEST_F(ChooseBackendTest, WithAvx512TheProcessorsMakerDecides) {
  if (!Supports(Backend::kCpuAvx512Bf16)) GTEST_SKIP() << "this processor has no AVX-512 BF16";
  const bool is_intel = __builtin_cpu_is("intel") != 0;
  EXPECT_EQ(*ChooseBackend(), is_intel ? Backend::kCpuAvx512 : Backend::kCpuAvx512Bf16);
}

TEST_F(ChooseBackendTest, UnknownNameIsRefusedWithTheChoices) {
  setenv("SEXTANT_BACKEND", "avx9", 1);
  const absl::Status status = ChooseBackend().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(std::string(status.message()).find("cpu-avx2"), std::string::npos) << status;
}

}  // namespace
}  // namespace sextant
