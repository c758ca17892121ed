// `sextant status` as people run it, against a control plane.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "common/membership/member.h"
#include "common/rpc/server.h"
#include "nlohmann/json.hpp"
#include "router/service/control_plane/control_plane.h"
#include "tests/support/run_program.h"
#include "tests/unit/router/coordinator/hellos.h"

namespace sextant {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

ProgramOutcome Sextant(const std::string& arguments) {
  return RunProgram(SEXTANT_PROGRAM, arguments);
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
  const ProgramOutcome table = Sextant("status --events --router " + target());
  EXPECT_EQ(table.exit_status, 0) << table.output;
  EXPECT_THAT(table.output, StartsWith("sextant 0.0-test"));
  EXPECT_THAT(table.output, HasSubstr("expert-one  unix:/run/expert-one  joining"));
  EXPECT_THAT(table.output, HasSubstr("expert-one joined"));
  const ProgramOutcome json = Sextant("status -o json --router " + target());
  ASSERT_TRUE(nlohmann::json::accept(json.output)) << json.output;
  EXPECT_EQ(nlohmann::json::parse(json.output)["workers"][0]["worker_id"], "expert-one");
}

TEST_F(StatusCommandTest, MissingRouterIsOneLineAndAStatus) {
  const std::string gone = target();
  server_ = nullptr;
  const ProgramOutcome outcome = Sextant("status --router " + gone);
  EXPECT_EQ(outcome.exit_status, 1);
  EXPECT_THAT(outcome.output, StartsWith("sextant status: UNAVAILABLE"));
  EXPECT_THAT(outcome.output, HasSubstr("is a router running at " + gone));
  EXPECT_EQ(outcome.output.find('\n'), outcome.output.size() - 1);
}

}  // namespace
}  // namespace sextant
