// What NcclCommunicator asks of NCCL, and when.
#include "common/exchange/nccl_module/nccl_communicator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "tests/unit/common/exchange/nccl_module/scripted_nccl.h"

namespace sextant {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr int kRanks = 5;
constexpr auto kSoon = NcclCommunicator::Deadline::max();
constexpr auto kAtOnce = NcclCommunicator::Deadline::min();

class NcclCommunicatorTest : public testing::Test {
 protected:
  std::unique_ptr<NcclCommunicator> Join(int rank = 1) {
    ncclResult_t result = ncclSuccess;
    std::unique_ptr<NcclCommunicator> joined =
        NcclCommunicator::Join(ncclUniqueId{}, rank, kRanks, 0, &result);
    EXPECT_NE(joined, nullptr);
    return joined;
  }
  DeviceStatus ExchangeSomething(NcclCommunicator& communicator) {
    return communicator.Exchange({}, {Message(0, 8)}, {Message(2, 16)});
  }
  RankMessage Message(int peer, std::int64_t bytes) {
    return {.peer = peer, .data = memory_, .bytes = bytes};
  }

  ScriptedNccl nccl_;
  char memory_[64] = {};
};

TEST_F(NcclCommunicatorTest, RanksThatComeLateAreWaitedFor) {
  nccl_.Answer(ncclSuccess, 3);
  const auto communicator = Join();
  EXPECT_EQ(communicator->rank(), 1);
  EXPECT_EQ(communicator->size(), kRanks);
  EXPECT_EQ(communicator->WaitUntilReady(kSoon), ncclSuccess);
}

TEST_F(NcclCommunicatorTest, RanksThatDoNotComeAreGivenUp) {
  nccl_.Answer(ncclSuccess, ScriptedNccl::kNever);
  {
    const auto communicator = Join();
    EXPECT_EQ(communicator->WaitUntilReady(kAtOnce), ncclInProgress);
  }
  EXPECT_THAT(nccl_.TakeCalls(), ElementsAre("abort"));
}

TEST_F(NcclCommunicatorTest, WhatNcclRefusesIsNoCommunicator) {
  nccl_.Answer(ncclSystemError, 0);
  ncclResult_t result = ncclSuccess;
  EXPECT_EQ(NcclCommunicator::Join(ncclUniqueId{}, 0, 1, 0, &result), nullptr);
  EXPECT_EQ(result, ncclSystemError);
  EXPECT_THAT(nccl_.TakeCalls(), ElementsAre("abort"));
}

TEST_F(NcclCommunicatorTest, AnExchangeIsOneGroupAndReturnsWhenItIsOnTheStream) {
  const auto communicator = Join();
  nccl_.Answer(ncclSuccess, 4);
  const DeviceStatus status =
      communicator->Exchange({}, {Message(1, 8), Message(4, 0), Message(0, 2)},
                             {Message(3, 0), Message(1, 8), Message(2, 1)});
  EXPECT_TRUE(status.ok());
  EXPECT_THAT(nccl_.TakeCalls(),
              ElementsAre("send 8 to 1", "send 2 to 0", "receive 8 of 1", "receive 1 of 2"));
  EXPECT_TRUE(ExchangeSomething(*communicator).ok());  // NCCL is ready for the next
  EXPECT_TRUE(communicator->Health().ok());
}

TEST_F(NcclCommunicatorTest, NothingToSayIsNotSaid) {
  const auto communicator = Join();
  EXPECT_TRUE(communicator->Exchange({}, {Message(1, 0)}, {}).ok());
  EXPECT_TRUE(communicator->Exchange({}, {}, {}).ok());
  EXPECT_THAT(nccl_.TakeCalls(), IsEmpty());
}

TEST_F(NcclCommunicatorTest, WhatFitsNoRankIsRefusedBeforeNcclSeesIt) {
  const auto communicator = Join();
  for (const RankMessage& message : {Message(kRanks, 8), Message(-1, 8), Message(0, -1)}) {
    EXPECT_EQ(communicator->Exchange({}, {Message(0, 8), message}, {}).error,
              DeviceError::kInvalidArgument);
    EXPECT_EQ(communicator->Exchange({}, {}, {message}).error, DeviceError::kInvalidArgument);
  }
  EXPECT_THAT(nccl_.TakeCalls(), IsEmpty());
  EXPECT_TRUE(communicator->Health().ok());
}

TEST_F(NcclCommunicatorTest, AFaultIsSaidInNcclsWordsAndStays) {
  for (const int questions : {0, 3}) {
    nccl_.Answer(ncclSuccess, 0);
    auto communicator = Join();
    nccl_.Answer(ncclRemoteError, questions);
    const DeviceStatus status = ExchangeSomething(*communicator);
    EXPECT_EQ(status.error, DeviceError::kDevice);
    EXPECT_STREQ(status.message, "somebody is gone");
    EXPECT_STREQ(communicator->Health().message, "somebody is gone");
    (void)nccl_.TakeCalls();
    communicator.reset();
    EXPECT_THAT(nccl_.TakeCalls(), ElementsAre("abort"));
  }
}

TEST_F(NcclCommunicatorTest, AbortComesThroughWhileAnExchangeIsNotIssued) {
  const auto communicator = Join();
  nccl_.Answer(ncclSuccess, ScriptedNccl::kNever);
  std::thread control([&] {
    nccl_.AwaitQuestion();
    communicator->Abort();
  });
  EXPECT_EQ(ExchangeSomething(*communicator).error, DeviceError::kDevice);
  control.join();
  EXPECT_EQ(communicator->Health().error, DeviceError::kDevice);
  EXPECT_EQ(ExchangeSomething(*communicator).error, DeviceError::kDevice);
  communicator->Abort();
  nccl_.AwaitFreed(1);
  EXPECT_THAT(nccl_.TakeCalls(), ElementsAre("send 8 to 0", "receive 16 of 2", "abort"));
}

TEST_F(NcclCommunicatorTest, AbortDoesNotWaitForGraphsAndTheEndDoes) {
  auto communicator = Join();
  nccl_.SetGraphs(1);
  communicator->Abort();
  EXPECT_EQ(communicator->Health().error, DeviceError::kDevice);
  nccl_.SetGraphs(0);
  communicator.reset();  // the scripted NCCL wants it freed
  EXPECT_THAT(nccl_.TakeCalls(), ElementsAre("abort"));
}

TEST_F(NcclCommunicatorTest, AHealthyCommunicatorEndsInPeace) {
  auto communicator = Join();
  nccl_.Answer(ncclSuccess, 3);
  communicator.reset();
  EXPECT_THAT(nccl_.TakeCalls(), ElementsAre("finalize", "destroy"));
}

TEST_F(NcclCommunicatorTest, OneThatCannotEndInPeaceIsAborted) {
  auto communicator = Join();
  nccl_.Answer(ncclRemoteError, 1);
  communicator.reset();
  EXPECT_THAT(nccl_.TakeCalls(), ElementsAre("finalize", "abort"));
}

}  // namespace
}  // namespace sextant
