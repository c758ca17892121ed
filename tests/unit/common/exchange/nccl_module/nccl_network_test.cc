#include "common/exchange/nccl_module/nccl_network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <string>

namespace sextant {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

// SEXTANT_NCCL_MODULE names a file for the time of a test.
class NcclNetworkTest : public testing::Test {
 protected:
  ~NcclNetworkTest() override { unsetenv("SEXTANT_NCCL_MODULE"); }

  static absl::StatusOr<std::unique_ptr<RankNetwork>> OpenFrom(const std::string& module) {
    setenv("SEXTANT_NCCL_MODULE", module.c_str(), 1);
    return OpenNccl();
  }
  static std::unique_ptr<RankNetwork> StandIn() {
    absl::StatusOr<std::unique_ptr<RankNetwork>> network = OpenFrom(STAND_IN_MODULE);
    EXPECT_TRUE(network.ok()) << network.status();
    return *std::move(network);
  }
  static std::string WhyNot(const std::string& module) {
    const absl::Status status = OpenFrom(module).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()), StartsWith("NCCL cannot be used: "));
    return std::string(status.message());
  }
};

TEST_F(NcclNetworkTest, ABuildWithoutNcclSaysHowToGetOneThatHasIt) {
  unsetenv("SEXTANT_NCCL_MODULE");
  const absl::Status missing = OpenNccl().status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.message()),
              AllOf(HasSubstr("this build has no NCCL (there is no /"),
                    HasSubstr("/sextant_nccl.so)"), HasSubstr("preset `cuda`")));
}

TEST_F(NcclNetworkTest, ALibraryThatTheModuleLacksIsNamed) {
  EXPECT_THAT(WhyNot(NEEDY_MODULE),
              AllOf(HasSubstr("the module cannot be loaded"), HasSubstr("libnot_installed.so")));
}

TEST_F(NcclNetworkTest, WhatIsNoModuleOfThisBuildIsRefused) {
  EXPECT_THAT(WhyNot("/nowhere/a.so"),
              EndsWith("SEXTANT_NCCL_MODULE names /nowhere/a.so, which is not there"));
  EXPECT_THAT(WhyNot(NO_MODULE), EndsWith("is not Sextant's NCCL module"));
  EXPECT_THAT(WhyNot(OTHER_MODULE),
              AllOf(HasSubstr("is of another build (another, and"), HasSubstr("build both")));
}

TEST_F(NcclNetworkTest, RanksOpenWithAnId) {
  const std::unique_ptr<RankNetwork> network = StandIn();
  const absl::StatusOr<std::string> id = network->MakeId();
  ASSERT_TRUE(id.ok()) << id.status();
  EXPECT_EQ(id->size(), 128U);
  const absl::StatusOr<std::unique_ptr<Communicator>> communicator =
      network->Open({.id = *id, .rank = 1, .size = 2, .timeout = absl::Seconds(1)});
  ASSERT_TRUE(communicator.ok()) << communicator.status();
  EXPECT_EQ((*communicator)->rank(), 1);
  EXPECT_EQ((*communicator)->size(), 2);
}

TEST_F(NcclNetworkTest, RanksThatDoNotFitAreRefused) {
  const std::unique_ptr<RankNetwork> network = StandIn();
  const std::string id = *network->MakeId();
  const RankOpening refused[] = {
      {.id = id, .rank = 0, .size = 0},  {.id = id, .rank = 2, .size = 2},
      {.id = id, .rank = -1, .size = 2}, {.id = id.substr(1), .rank = 0, .size = 2},
      {.id = "", .rank = 0, .size = 2},
  };
  for (const RankOpening& opening : refused) {
    EXPECT_EQ(network->Open(opening).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST_F(NcclNetworkTest, WhatTheModuleSaysIsPassedOn) {
  const std::unique_ptr<RankNetwork> network = StandIn();
  const std::string id = *network->MakeId();
  EXPECT_EQ(network->Open({.id = id, .rank = 0, .size = 3, .timeout = absl::Seconds(1)}).status(),
            absl::DeadlineExceededError("two are here"));
  EXPECT_EQ(network->Open({.id = std::string(128, 'x'), .rank = 0, .size = 2}).status(),
            absl::UnavailableError("not an id"));
  const std::atomic<bool> cancelled = true;
  EXPECT_EQ(network->Open({.id = id, .rank = 0, .size = 3, .cancelled = &cancelled}).status(),
            absl::CancelledError("nobody waits"));
  // As long as can be is finite.
  EXPECT_EQ(
      network->Open({.id = id, .rank = 0, .size = 3, .timeout = absl::InfiniteDuration()}).status(),
      absl::UnavailableError("two are here"));
}

}  // namespace
}  // namespace sextant
