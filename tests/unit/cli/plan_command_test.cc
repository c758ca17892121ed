// `sextant plan` as people run it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "nlohmann/json.hpp"
#include "tests/support/run_program.h"

namespace sextant {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

ProgramOutcome Plan(const std::string& arguments) {
  return RunProgram(SEXTANT_PROGRAM, "plan --model '" SEXTANT_V2_LITE "' " + arguments);
}

TEST(PlanCommandTest, PrintsATable) {
  const ProgramOutcome table = Plan("--card a100-40g");
  EXPECT_EQ(table.exit_status, 0) << table.output;
  EXPECT_THAT(table.output, HasSubstr("1 x a100-40g: 40 GiB"));
  EXPECT_THAT(table.output, HasSubstr("\ndecode, batch 32 "));
  EXPECT_THAT(table.output, HasSubstr("\nprefill 2048 "));
}

TEST(PlanCommandTest, PrintsJson) {
  const ProgramOutcome json =
      Plan("--card h100 --gpus 16 --network 50GB/s --batch 1,512 --prompt 0 -o json");
  ASSERT_TRUE(nlohmann::json::accept(json.output)) << json.output;
  const nlohmann::json plan = nlohmann::json::parse(json.output);
  EXPECT_EQ(plan["gpus"].size(), 16U);
  ASSERT_EQ(plan["steps"].size(), 2U);
  EXPECT_EQ(plan["steps"][1]["sequences"], 512);
}

TEST(PlanCommandTest, MeasuresThisHostsGpuOrSaysWhyItCannot) {
  const ProgramOutcome outcome = Plan("--measure");
  if (outcome.exit_status == 0) {
    EXPECT_THAT(outcome.output, HasSubstr(", measured: "));
  } else {
    EXPECT_THAT(outcome.output, StartsWith("sextant plan: --measure: "));
    EXPECT_EQ(outcome.output.find('\n'), outcome.output.size() - 1);
  }
}

TEST(PlanCommandTest, WhatDoesNotFitIsOneLineAndAStatus) {
  const ProgramOutcome outcome = Plan("--card a100-40g --memory 24GiB");
  EXPECT_EQ(outcome.exit_status, 1);
  EXPECT_THAT(outcome.output, StartsWith("sextant plan: GPU 0 lacks "));
  EXPECT_EQ(outcome.output.find('\n'), outcome.output.size() - 1);
}

TEST(PlanCommandTest, ValuesThatMakeNoSenseNameTheFlag) {
  const ProgramOutcome outcome = Plan("--card a100-40g --context 0");
  EXPECT_EQ(outcome.exit_status, 1);
  EXPECT_THAT(outcome.output, StartsWith("sextant plan: --context 0: give a number from 1 to "));
}

}  // namespace
}  // namespace sextant
