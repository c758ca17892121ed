#include "common/program/worker_program.h"

#include <gtest/gtest.h>

namespace sextant {
namespace {

TEST(ReachableAdminTarget, APageOfEveryInterfaceIsAtTheWorkersOwnAddress) {
  EXPECT_EQ(ReachableAdminTarget("0.0.0.0:9500", {"unix:/run/a.sock", "10.0.0.7:7200"}),
            "10.0.0.7:9500");
  EXPECT_EQ(ReachableAdminTarget("0.0.0.0:9500", {"unix:/run/a.sock"}), "0.0.0.0:9500");
  EXPECT_EQ(ReachableAdminTarget("127.0.0.1:9500", {"10.0.0.7:7200"}), "127.0.0.1:9500");
}

}  // namespace
}  // namespace sextant
