// The module of this build, which loads where NCCL is, and says so where no GPU is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "common/exchange/nccl_module/nccl_network.h"

namespace sextant {
namespace {

TEST(RealNcclModuleTest, MakesIdsAndConnectsOneRankOrSaysWhyNot) {
  setenv("SEXTANT_NCCL_MODULE", REAL_MODULE, 1);
  // The only network that is sure to be there.
  setenv("NCCL_SOCKET_IFNAME", "lo", 1);
  const absl::StatusOr<std::unique_ptr<RankNetwork>> network = OpenNccl();
  ASSERT_TRUE(network.ok()) << network.status();
  const absl::StatusOr<std::string> id = (*network)->MakeId();
  ASSERT_TRUE(id.ok()) << id.status();
  EXPECT_NE(*(*network)->MakeId(), *id);
  const absl::StatusOr<std::unique_ptr<Communicator>> alone =
      (*network)->Open({.id = *id, .rank = 0, .size = 1, .timeout = absl::Seconds(60)});
  if (alone.ok()) {
    EXPECT_TRUE((*alone)->Health().ok());
    EXPECT_EQ((*alone)->size(), 1);
    (*alone)->Abort();
    EXPECT_EQ((*alone)->Health().error, DeviceError::kDevice);
    return;
  }
  EXPECT_EQ(alone.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(alone.status().message()),
              testing::StartsWith("there is no GPU for NCCL: "));
}

}  // namespace
}  // namespace sextant
