#include "tests/unit/common/exchange/nccl_module/rank_processes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace sextant {
namespace {

using testing::HasSubstr;

TEST(RankProcessesTest, RanksMeetAndSeeWhatOneHasWritten) {
  std::string said;
  EXPECT_TRUE(RunRankProcesses(
      3,
      [](int rank, Meeting& meeting) {
        if (rank == 1) meeting.Write("from one");
        meeting.Wait();
        if (meeting.Read() != "from one") std::_Exit(1);
        meeting.Wait();
        if (rank == 2) meeting.Write("from two");
      },
      &said));
  EXPECT_EQ(said, "from two");
}

TEST(RankProcessesTest, EachRankIsAHostOfItsOwn) {
  EXPECT_TRUE(RunRankProcesses(2, [](int rank, Meeting&) {
    if (std::string(std::getenv("NCCL_HOSTID")) != "rank-" + std::to_string(rank)) std::_Exit(1);
  }));
  EXPECT_EQ(std::getenv("NCCL_HOSTID"), nullptr);
}

TEST(RankProcessesTest, ARankThatDiesOnPurposeHasEndedWell) {
  EXPECT_TRUE(RunRankProcesses(2, [](int, Meeting&) { Die(); }));
}

TEST(RankProcessesTest, WhenOneEndsBadlyTheOthersDoNotWaitForIt) {
  EXPECT_THAT(RunRankProcesses(3,
                               [](int rank, Meeting& meeting) {
                                 if (rank == 1) std::_Exit(7);
                                 meeting.Wait();
                               })
                  .message(),
              HasSubstr("rank 1 has ended badly (exit status 7)"));
  EXPECT_THAT(RunRankProcesses(2,
                               [](int rank, Meeting& meeting) {
                                 if (rank == 0) (void)kill(getpid(), SIGKILL);
                                 meeting.Wait();
                               })
                  .message(),
              HasSubstr("rank 0 has ended badly (signal 9)"));
}

}  // namespace
}  // namespace sextant
