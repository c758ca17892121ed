#include "common/device/backend.h"

#include <gtest/gtest.h>

#include <cstdlib>

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

TEST_F(ChooseBackendTest, UnknownNameIsRefusedWithTheChoices) {
  setenv("SEXTANT_BACKEND", "avx9", 1);
  const absl::Status status = ChooseBackend().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(std::string(status.message()).find("cpu-avx2"), std::string::npos) << status;
}

}  // namespace
}  // namespace sextant
