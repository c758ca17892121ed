// `sextant status` as people run it, against a control plane.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <memory>
#include <string>

#include "common/membership/member.h"
#include "common/rpc/server.h"
#include "nlohmann/json.hpp"
#include "router/service/control_plane/control_plane.h"
#include "tests/unit/router/coordinator/hellos.h"

namespace sextant {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Outcome {
  int exit_status = -1;
  std::string output;  // of both streams
};

Outcome Sextant(const std::string& arguments) {
  const std::string command = std::string(SEXTANT_PROGRAM) + " " + arguments + " 2>&1";
  Outcome outcome;
  std::FILE* pipe = popen(command.c_str(), "r");  // NOLINT(cert-env33-c): a fixed command
  if (pipe == nullptr) return outcome;
  std::array<char, 4096> block;
  while (const std::size_t count = std::fread(block.data(), 1, block.size(), pipe)) {
    outcome.output.append(block.data(), count);
  }
  outcome.exit_status = WEXITSTATUS(pclose(pipe));
  return outcome;
}

class StatusCommandTest : public ::testing::Test {
 protected:
  StatusCommandTest() : control_(Config(), [] { return v1::QueueStatus(); }) {
    server_ = RpcServer::Start(
                  {.listen = {"127.0.0.1:0"}, .services = {control_.cluster(), control_.admin()}})
                  .value();
    control_.Start();
  }
  ~StatusCommandTest() override { control_.Stop(); }

  static CoordinatorConfig Config() {
    CoordinatorConfig config;
    config.version = kTestVersion;
    return config;
  }

  std::string target() const { return server_->targets()[0]; }

  ControlPlane control_;
  std::unique_ptr<RpcServer> server_;
};

TEST_F(StatusCommandTest, ShowsTheWorkersThatHaveJoined) {
  auto member = Member::Join({.router_target = target(), .hello = ExpertHello("expert-one")});
  ASSERT_TRUE(member.ok()) << member.status();
  const Outcome table = Sextant("status --events --router " + target());
  EXPECT_EQ(table.exit_status, 0) << table.output;
  EXPECT_THAT(table.output, StartsWith("sextant 0.0-test"));
  EXPECT_THAT(table.output, HasSubstr("expert-one  unix:/run/expert-one  joining"));
  EXPECT_THAT(table.output, HasSubstr("expert-one joined"));
  const Outcome json = Sextant("status -o json --router " + target());
  ASSERT_TRUE(nlohmann::json::accept(json.output)) << json.output;
  EXPECT_EQ(nlohmann::json::parse(json.output)["workers"][0]["worker_id"], "expert-one");
}

TEST_F(StatusCommandTest, MissingRouterIsOneLineAndAStatus) {
  const std::string gone = target();
  server_ = nullptr;
  const Outcome outcome = Sextant("status --router " + gone);
  EXPECT_EQ(outcome.exit_status, 1);
  EXPECT_THAT(outcome.output, StartsWith("sextant status: UNAVAILABLE"));
  EXPECT_THAT(outcome.output, HasSubstr("is a router running at " + gone));
  EXPECT_EQ(outcome.output.find('\n'), outcome.output.size() - 1);
}

}  // namespace
}  // namespace sextant
