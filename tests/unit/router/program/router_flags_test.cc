#include "router/program/router_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/program/program.h"
#include "tests/support/message_of.h"

namespace sextant::router {
namespace {

using ::testing::StartsWith;

RouterFlags Given(Arguments arguments) {
  arguments.insert(arguments.begin(), {"router", "--model", "m", "--config", "f.yaml"});
  RouterFlags flags;
  CLI::App app;
  AddRouterFlags(app, flags);
  EXPECT_FALSE(Parse(app, arguments).has_value());
  return flags;
}

TEST(RouterFlags, WinOverTheFileWheneverItIsRead) {
  const RouterFlags flags =
      Given({"--replicated-experts", "3", "--rebalance", "off", "--log-level", "error"});
  for (const char* text : {"",
                           "router: {replicated_experts: 7, rebalance: true}\n"
                           "cluster: {log_level: debug}\n"}) {
    const auto config = ReadRouterConfig(flags, text);
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_EQ(config->router.replicated_experts, 3);
    EXPECT_FALSE(config->router.rebalance);
    EXPECT_EQ(config->cluster.log_level, LogLevel::kError);
  }
}

TEST(RouterFlags, LeaveTheRestToTheFile) {
  const auto config =
      ReadRouterConfig(Given({"--queue", "9"}), "router: {queue: 7, spare_experts: 5}\n");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->router.queue, 9);
  EXPECT_EQ(config->router.spare_experts, 5);
}

TEST(RouterFlags, AWrongFileIsNamedWithLineAndKey) {
  EXPECT_THAT(MessageOf(ReadRouterConfig(Given({}), "router:\n  spare_experts: 65\n")),
              StartsWith("f.yaml:2: router.spare_experts must be an integer from 0 to 64"));
}

}  // namespace
}  // namespace sextant::router
