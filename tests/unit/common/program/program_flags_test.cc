#include "common/program/program_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/status.h"
#include "common/program/program.h"
#include "tests/support/message_of.h"
#include "tests/support/temp_dir.h"

namespace sextant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ProgramFlagsTest : public ::testing::Test {
 protected:
  // The settings of a program that looks at the router's section.
  absl::StatusOr<Config> Read(Arguments arguments) {
    arguments.insert(arguments.begin(), "program");
    ProgramFlags flags;
    std::optional<bool> rebalance;
    std::vector<std::string> listen;
    CLI::App app;
    AddProgramFlags(app, flags);
    AddSwitch(app, "--rebalance", rebalance, "on or off");
    app.add_option("--listen", listen, "Targets");
    if (Parse(app, arguments).has_value()) return absl::InvalidArgumentError("not parsed");
    ASSIGN_OR_RETURN(Config config, ReadProgramConfig(flags));
    LayOver(flags.admin_port, config.router.admin_port);
    LayOver(rebalance, config.router.rebalance);
    LayOver(listen, config.router.listen);
    return config;
  }

  TempDir dir_;
  const std::string file_ = dir_.Write("cluster.yaml",
                                       "router: {admin_port: 9000, rebalance: true, "
                                       "listen: [\"0.0.0.0:1\"]}\n"
                                       "cluster: {log_level: error}\n");
};

TEST_F(ProgramFlagsTest, WithoutFileAndFlagsAllHasItsDefault) {
  const auto config = Read({});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->router.admin_port, RouterConfig().admin_port);
  EXPECT_EQ(config->router.listen, RouterConfig().listen);
  EXPECT_FALSE(config->router.rebalance);
  EXPECT_EQ(config->cluster.log_level, LogLevel::kInfo);
}

TEST_F(ProgramFlagsTest, WhetherThereIsADeviceIsForWorkersToJudge) {
  const std::string file = dir_.Write("gpu.yaml", "engine: {device: cuda}\n");
  EXPECT_TRUE(Read({"--config", file}).ok());
}

TEST_F(ProgramFlagsTest, WithoutFlagsTheFileHolds) {
  const auto config = Read({"--config", file_});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->router.admin_port, 9000);
  EXPECT_THAT(config->router.listen, ElementsAre("0.0.0.0:1"));
  EXPECT_TRUE(config->router.rebalance);
  EXPECT_EQ(config->cluster.log_level, LogLevel::kError);
}

TEST_F(ProgramFlagsTest, FlagsWinOverTheFileAlsoWithAValueThatIsTheDefault) {
  const auto config =
      Read({"--config", file_, "--admin-port", "0", "--rebalance", "off", "--log-level", "info",
            "--listen", "a:1", "--listen", "b:2", "--admin-host", "0.0.0.0"});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->router.admin_port, 0);
  EXPECT_THAT(config->router.listen, ElementsAre("a:1", "b:2"));
  EXPECT_FALSE(config->router.rebalance);
  EXPECT_EQ(config->cluster.log_level, LogLevel::kInfo);
  EXPECT_EQ(config->cluster.admin_host, "0.0.0.0");
}

TEST_F(ProgramFlagsTest, ASwitchIsOnOrOff) {
  EXPECT_TRUE(Read({"--rebalance", "on"})->router.rebalance);
  for (const char* word : {"auto", "true", "1", ""}) {
    EXPECT_FALSE(Read({"--rebalance", word}).ok()) << word;
  }
}

TEST_F(ProgramFlagsTest, WhatIsOutOfRangeOrUnknownIsRefused) {
  EXPECT_FALSE(Read({"--admin-port", "65536"}).ok());
  EXPECT_FALSE(Read({"--log-level", "loud"}).ok());
  EXPECT_THAT(MessageOf(Read({"--config", dir_.File("none.yaml")})), HasSubstr("none.yaml"));
}

}  // namespace
}  // namespace sextant
