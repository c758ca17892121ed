// `sextant bench exchange` as people run it, where there is no GPU.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/support/run_program.h"

namespace sextant {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

ProgramOutcome Bench(const std::string& arguments) {
  return RunProgram("/usr/bin/env", "SEXTANT_CUDA_MODULE=/nowhere/a.so '" SEXTANT_PROGRAM
                                    "' bench exchange --model '" SEXTANT_V2_LITE "' " +
                                        arguments);
}

void ExpectOneLine(const ProgramOutcome& outcome, const std::string& begin) {
  EXPECT_EQ(outcome.exit_status, 1);
  EXPECT_THAT(outcome.output, StartsWith("sextant bench exchange: " + begin));
  EXPECT_EQ(outcome.output.find('\n'), outcome.output.size() - 1);
}

TEST(BenchExchangeCommandTest, WithoutAGpuTheErrorOfTheFirstRankIsOneLine) {
  const ProgramOutcome outcome = Bench("--ranks 4 --gpus 0 --batch 1,8 --prompt 0");
  ExpectOneLine(outcome, "rank 0: no GPU can be used: ");
  EXPECT_THAT(outcome.output, EndsWith("names /nowhere/a.so, which is not there\n"));
}

TEST(BenchExchangeCommandTest, WhatCannotBeMeantIsSaidBeforeAnyProcessIsStarted) {
  ExpectOneLine(Bench("--attention 2"), "--form apart: say how many ranks do what");
  ExpectOneLine(Bench("--form colocated --attention 2 --experts 2"),
                "--attention and --experts belong to --form apart");
  ExpectOneLine(Bench("--ranks 3 --attention 1 --experts 1"),
                "--attention 1 and --experts 1 are 2 ranks");
  ExpectOneLine(Bench("--batch 0 --prompt 0"), "nothing to measure");
  const ProgramOutcome none =
      RunProgram(SEXTANT_PROGRAM, "bench exchange --model /nowhere --ranks 2");
  ExpectOneLine(none, "");
  EXPECT_THAT(none.output, HasSubstr("/nowhere"));
}

TEST(BenchExchangeCommandTest, HelpSaysWhatIsMeasured) {
  const ProgramOutcome help = RunProgram(SEXTANT_PROGRAM, "bench exchange --help");
  EXPECT_EQ(help.exit_status, 0);
  EXPECT_THAT(help.output,
              AllOf(HasSubstr("dispatch"), HasSubstr("all-to-all"), HasSubstr("left out")));
  EXPECT_EQ(help.output.find("--communicator-id"), std::string::npos);
}

}  // namespace
}  // namespace sextant
