// Shows that the network of the tests delivers, waits and aborts as Communicator promises, and
// fails loudly where its users are wrong.
#include "tests/support/ranks/fake_network.h"

#include <gmock/gmock.h>
#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <vector>

#include "tests/support/ranks/rank_threads.h"

namespace sextant {
namespace {

using testing::ElementsAre;

constexpr std::int64_t kValue = sizeof(int);

// A GPU with a stream, a place among the ranks, and integers on the device. For one thread, but for
// what Communicator allows to others.
class Rank {
 public:
  Rank(FakeNetwork& network, int rank, std::size_t values)
      : communicator_(network.Join(rank, gpu_)), count_(values) {
    EXPECT_TRUE(gpu_.CreateStream(&stream_).ok());
    void* memory = nullptr;
    EXPECT_TRUE(gpu_.Allocate(static_cast<std::int64_t>(values) * kValue, &memory).ok());
    values_ = static_cast<int*>(memory);
  }
  ~Rank() {
    (void)gpu_.Synchronize(stream_);
    communicator_.reset();
    gpu_.Free(values_);
    gpu_.DestroyStream(stream_);
  }
  Rank(const Rank&) = delete;
  Rank& operator=(const Rank&) = delete;

  [[nodiscard]] EmulatedGpu& gpu() { return gpu_; }
  [[nodiscard]] DeviceStream stream() const { return stream_; }
  [[nodiscard]] Communicator& communicator() { return *communicator_; }
  // Ends the communicator before the rank, which is not to be done while something holds it.
  void Leave() { communicator_.reset(); }

  // Of `count` values from the one numbered `first`.
  [[nodiscard]] RankMessage Message(int peer, std::size_t first, std::int64_t count = 1) const {
    return {.peer = peer, .data = values_ + first, .bytes = count * kValue};
  }
  void Write(const std::vector<int>& values) {
    EXPECT_EQ(values.size(), count_);
    std::copy(values.begin(), values.end(), values_);
  }
  [[nodiscard]] std::vector<int> Values() const { return {values_, values_ + count_}; }

  DeviceStatus Exchange(const std::vector<RankMessage>& sends,
                        const std::vector<RankMessage>& receives) {
    return communicator_->Exchange(stream_, sends, receives);
  }
  DeviceStatus ExchangeAndWait(const std::vector<RankMessage>& sends,
                               const std::vector<RankMessage>& receives) {
    RETURN_IF_DEVICE_FAILED(Exchange(sends, receives));
    return Wait();
  }
  DeviceStatus Wait() { return gpu_.Synchronize(stream_); }
  DeviceGraph Capture(const std::vector<RankMessage>& sends,
                      const std::vector<RankMessage>& receives) {
    EXPECT_TRUE(gpu_.BeginCapture(stream_).ok());
    EXPECT_TRUE(Exchange(sends, receives).ok());
    DeviceGraph graph;
    EXPECT_TRUE(gpu_.EndCapture(stream_, &graph).ok());
    return graph;
  }

 private:
  EmulatedGpu gpu_{1 << 20};
  std::unique_ptr<Communicator> communicator_;
  DeviceStream stream_;
  std::size_t count_;
  int* values_ = nullptr;
};

std::size_t At(int index) { return static_cast<std::size_t>(index); }

TEST(FakeNetworkTest, NothingHappensBeforeSomebodyWaits) {
  FakeNetwork network(1);
  Rank rank(network, 0, 2);
  EXPECT_EQ(rank.communicator().rank(), 0);
  EXPECT_EQ(rank.communicator().size(), 1);
  rank.Write({1, 0});
  ASSERT_TRUE(rank.Exchange({rank.Message(0, 0)}, {rank.Message(0, 1)}).ok());
  rank.Write({5, 0});  // too early: this is what is sent
  ASSERT_TRUE(rank.Wait().ok());
  EXPECT_THAT(rank.Values(), ElementsAre(5, 5));
}

TEST(FakeNetworkTest, EveryRankGetsWhatEveryOtherAndItselfSent) {
  constexpr int kRanks = 4;
  constexpr int kRounds = 20;
  FakeNetwork network(kRanks);
  RunRanks(kRanks, [&](int self) {
    // One value for each peer, sent and received; each rank begins with another peer.
    Rank rank(network, self, 2 * kRanks);
    std::vector<RankMessage> sends;
    std::vector<RankMessage> receives;
    for (int i = 0; i < kRanks; ++i) {
      const int to = (self + i) % kRanks;
      const int from = (2 * self + 3 * i) % kRanks;
      sends.push_back(rank.Message(to, At(to)));
      receives.push_back(rank.Message(from, At(kRanks + from)));
    }
    for (int round = 0; round < kRounds; ++round) {
      std::vector<int> values(2 * kRanks, -1);
      for (int peer = 0; peer < kRanks; ++peer) {
        values[At(peer)] = 10000 * round + 100 * self + peer;
      }
      rank.Write(values);
      ASSERT_TRUE(rank.ExchangeAndWait(sends, receives).ok());
      values = rank.Values();
      for (int peer = 0; peer < kRanks; ++peer) {
        EXPECT_EQ(values[At(kRanks + peer)], 10000 * round + 100 * peer + self);
      }
    }
  });
}

TEST(FakeNetworkTest, MessagesOfAPairArriveInOrderAndMayDifferInSize) {
  FakeNetwork network(2);
  RunRanks(2, [&](int self) {
    Rank rank(network, self, 6);
    if (self == 0) {
      rank.Write({1, 2, 3, 4, 5, 6});
      ASSERT_TRUE(rank.ExchangeAndWait(
                          {rank.Message(1, 0, 3), rank.Message(1, 3), rank.Message(1, 4, 2)}, {})
                      .ok());
      return;
    }
    // Groups of the receiver need not be those of the sender.
    ASSERT_TRUE(rank.Exchange({}, {rank.Message(0, 3, 3)}).ok());
    ASSERT_TRUE(rank.Exchange({}, {rank.Message(0, 2), rank.Message(0, 0, 2)}).ok());
    ASSERT_TRUE(rank.Wait().ok());
    EXPECT_THAT(rank.Values(), ElementsAre(5, 6, 4, 1, 2, 3));
  });
}

TEST(FakeNetworkTest, NothingInAGroupWaitsForAnythingElseInIt) {
  FakeNetwork network(2);
  constexpr int kEach = 5;  // more than a mailbox holds, to the other and to itself
  RunRanks(2, [&](int self) {
    Rank rank(network, self, 4 * kEach);
    std::vector<int> values(4 * kEach, -1);
    std::vector<RankMessage> sends;
    std::vector<RankMessage> receives;
    for (int i = 0; i < kEach; ++i) {
      values[At(i)] = 10 * self + i;
      values[At(kEach + i)] = 10 * self + i + 100;
      for (const int side : {0, 1}) {
        const int peer = side == 0 ? self : 1 - self;
        sends.push_back(rank.Message(peer, At(side * kEach + i)));
        receives.push_back(rank.Message(peer, At((2 + side) * kEach + i)));
      }
    }
    rank.Write(values);
    ASSERT_TRUE(rank.ExchangeAndWait(sends, receives).ok());
    values = rank.Values();
    for (int i = 0; i < kEach; ++i) {
      EXPECT_EQ(values[At(2 * kEach + i)], 10 * self + i);
      EXPECT_EQ(values[At(3 * kEach + i)], 10 * (1 - self) + i + 100);
    }
  });
}

TEST(FakeNetworkTest, MessagesOfNoBytesAreNone) {
  FakeNetwork network(2);
  Rank rank(network, 0, 1);
  EXPECT_TRUE(rank.ExchangeAndWait({{.peer = 1}}, {{.peer = 1}, rank.Message(1, 0, 0)}).ok());
}

TEST(FakeNetworkTest, AGraphExchangesAtEveryLaunch) {
  constexpr int kRanks = 3;
  FakeNetwork network(kRanks);
  RunRanks(kRanks, [&](int self) {
    const int next = (self + 1) % kRanks;
    const int previous = (self + kRanks - 1) % kRanks;
    Rank rank(network, self, 2);
    // Two exchanges in one graph: what came goes on.
    ASSERT_TRUE(rank.gpu().BeginCapture(rank.stream()).ok());
    ASSERT_TRUE(rank.Exchange({rank.Message(next, 0)}, {rank.Message(previous, 1)}).ok());
    ASSERT_TRUE(rank.Exchange({rank.Message(next, 1)}, {rank.Message(previous, 0)}).ok());
    DeviceGraph graph;
    ASSERT_TRUE(rank.gpu().EndCapture(rank.stream(), &graph).ok());
    for (int launch = 0; launch < 4; ++launch) {
      rank.Write({10 * launch + self, -1});
      ASSERT_TRUE(rank.gpu().Launch(rank.stream(), graph).ok());
      ASSERT_TRUE(rank.Wait().ok());
      EXPECT_THAT(rank.Values(), ElementsAre(10 * launch + (self + 1) % kRanks,
                                             10 * launch + (self + kRanks - 1) % kRanks));
    }
    rank.gpu().DestroyGraph(graph);
  });
}

TEST(FakeNetworkTest, AbortEndsWhatWaitsAndTheStreamGoesOn) {
  FakeNetwork network(2);
  std::promise<Communicator*> waiting;
  RunRanks(2, [&](int self) {
    if (self == 0) {
      Rank rank(network, 0, 3);
      rank.Write({1, 2, 3});
      // Rank 1 aborts this rank once the first message has come, in the middle of this group.
      ASSERT_TRUE(rank.Exchange({rank.Message(1, 0)}, {rank.Message(1, 1)}).ok());
      ASSERT_TRUE(rank.Exchange({}, {rank.Message(1, 2)}).ok());
      waiting.set_value(&rank.communicator());
      ASSERT_TRUE(rank.Wait().ok());
      EXPECT_THAT(rank.Values(), ElementsAre(1, -1, -1));
      EXPECT_EQ(rank.communicator().Health().error, DeviceError::kDevice);
      EXPECT_EQ(rank.Exchange({}, {rank.Message(1, 1)}).error, DeviceError::kDevice);
      rank.communicator().Abort();
      const RankMessage first = rank.Message(0, 0);
      ASSERT_TRUE(
          rank.gpu().CopyWithin(rank.stream(), rank.Message(0, 1).data, first.data, kValue).ok());
      ASSERT_TRUE(rank.Wait().ok());
      EXPECT_THAT(rank.Values(), ElementsAre(1, 1, -1));
      return;
    }
    Rank rank(network, 1, 1);
    ASSERT_TRUE(rank.ExchangeAndWait({}, {rank.Message(0, 0)}).ok());
    EXPECT_THAT(rank.Values(), ElementsAre(1));
    Communicator* other = waiting.get_future().get();
    EXPECT_TRUE(other->Health().ok());
    other->Abort();
    EXPECT_TRUE(rank.communicator().Health().ok());
  });
}

TEST(FakeNetworkTest, AbortIsOfOneRankAlone) {
  FakeNetwork network(3);
  Rank gone(network, 1, 1);
  gone.communicator().Abort();
  RunRanks(3, [&](int self) {
    if (self == 1) return;
    const int other = 2 - self;
    Rank rank(network, self, 2);
    rank.Write({self, -1});
    ASSERT_TRUE(rank.ExchangeAndWait({rank.Message(other, 0)}, {rank.Message(other, 1)}).ok());
    EXPECT_THAT(rank.Values(), ElementsAre(self, other));
    EXPECT_TRUE(rank.communicator().Health().ok());
  });
}

TEST(FakeNetworkTest, WhatAnAbortedRankHasNotSentLooksAsIfItHad) {
  FakeNetwork network(2);
  std::promise<void> sent;
  RunRanks(2, [&](int self) {
    Rank rank(network, self, 3);
    if (self == 0) {
      rank.Write({7, 8, 9});
      ASSERT_TRUE(rank.ExchangeAndWait({rank.Message(1, 0)}, {}).ok());
      rank.communicator().Abort();
      sent.set_value();
      return;
    }
    rank.Write({1, 2, 3});
    sent.get_future().wait();
    ASSERT_TRUE(rank.Exchange({}, {rank.Message(0, 0)}).ok());
    ASSERT_TRUE(rank.Exchange({}, {rank.Message(0, 1), rank.Message(0, 2)}).ok());
    ASSERT_TRUE(rank.Wait().ok());
    EXPECT_THAT(rank.Values(), ElementsAre(7, -1, -1));
    EXPECT_TRUE(rank.communicator().Health().ok());
  });
}

TEST(FakeNetworkTest, OthersWaitForARankThatDiesUntilTheyAreAborted) {
  constexpr int kRanks = 4;
  FakeNetwork network(kRanks);
  std::vector<std::promise<Communicator*>> survivors(kRanks - 1);
  RunRanks(kRanks, [&](int self) {
    if (self == kRanks - 1) {
      { const Rank dies(network, self, 1); }
      for (std::promise<Communicator*>& survivor : survivors) {
        Communicator* communicator = survivor.get_future().get();
        EXPECT_TRUE(communicator->Health().ok());
        communicator->Abort();
      }
      return;
    }
    Rank rank(network, self, 1);
    ASSERT_TRUE(rank.Exchange({}, {rank.Message(kRanks - 1, 0)}).ok());
    survivors[At(self)].set_value(&rank.communicator());
    ASSERT_TRUE(rank.Wait().ok());
    EXPECT_THAT(rank.Values(), ElementsAre(-1));
  });
}

TEST(FakeNetworkTest, AGraphEndsWithoutArrivingOnceAborted) {
  FakeNetwork network(1);
  Rank rank(network, 0, 2);
  const DeviceGraph graph = rank.Capture({rank.Message(0, 0)}, {rank.Message(0, 1)});
  rank.Write({1, 2});
  ASSERT_TRUE(rank.gpu().Launch(rank.stream(), graph).ok());
  rank.communicator().Abort();
  ASSERT_TRUE(rank.gpu().Launch(rank.stream(), graph).ok());
  ASSERT_TRUE(rank.Wait().ok());
  EXPECT_THAT(rank.Values(), ElementsAre(1, -1));
  rank.gpu().DestroyGraph(graph);
}

TEST(FakeNetworkTest, WhatCannotBeAskedIsRefused) {
  FakeNetwork network(2);
  Rank rank(network, 0, 4);
  int here[4] = {};
  const RankMessage refused[] = {
      rank.Message(2, 0),
      rank.Message(-1, 0),
      rank.Message(1, 0, -1),
      rank.Message(1, 0, 5),
      {.peer = 1, .data = here, .bytes = kValue},
  };
  for (const RankMessage& message : refused) {
    EXPECT_EQ(rank.Exchange({message}, {}).error, DeviceError::kInvalidArgument);
    EXPECT_EQ(rank.Exchange({}, {message}).error, DeviceError::kInvalidArgument);
  }
  const RankMessage front = rank.Message(1, 0, 3);
  const RankMessage back = rank.Message(0, 2, 2);
  EXPECT_EQ(rank.Exchange({front}, {back}).error, DeviceError::kInvalidArgument);
  EXPECT_EQ(rank.Exchange({}, {front, back}).error, DeviceError::kInvalidArgument);
  ASSERT_TRUE(rank.Wait().ok());  // nothing is on the stream
}

TEST(FakeNetworkTest, MemoryThatIsFreedTooEarlyIsAFault) {
  FakeNetwork network(1);
  Rank rank(network, 0, 1);
  void* memory = nullptr;
  ASSERT_TRUE(rank.gpu().Allocate(kValue, &memory).ok());
  ASSERT_TRUE(
      rank.Exchange({rank.Message(0, 0)}, {{.peer = 0, .data = memory, .bytes = kValue}}).ok());
  rank.gpu().Free(memory);
  EXPECT_EQ(rank.Wait().error, DeviceError::kEmulation);
}

TEST(FakeNetworkTest, AMessageOfAnotherSizeFailsTheTestAndEndsEveryRank) {
  EXPECT_NONFATAL_FAILURE_ON_ALL_THREADS(
      {
        FakeNetwork network(3);
        RunRanks(3, [&](int self) {
          Rank rank(network, self, 4);
          const DeviceStatus status =
              self == 0   ? rank.ExchangeAndWait({rank.Message(1, 0, 2)}, {rank.Message(1, 2)})
              : self == 1 ? rank.ExchangeAndWait({}, {rank.Message(0, 0)})
                          : rank.ExchangeAndWait({}, {rank.Message(0, 0)});
          const bool noticed = status.error == DeviceError::kEmulation;
          if (noticed != (self == 1)) ADD_FAILURE() << "the receiver alone notices";
          if (rank.communicator().Health().ok()) ADD_FAILURE() << "every rank is aborted";
        });
      },
      "rank 1 expects 4 bytes of rank 0, which has sent 8");
}

TEST(FakeNetworkTest, AMessageThatOneSideCapturedFailsTheTest) {
  EXPECT_NONFATAL_FAILURE_ON_ALL_THREADS(
      {
        FakeNetwork network(2);
        RunRanks(2, [&](int self) {
          Rank rank(network, self, 1);
          if (self == 0) {
            const DeviceGraph graph = rank.Capture({rank.Message(1, 0)}, {});
            (void)rank.gpu().Launch(rank.stream(), graph);
            (void)rank.Wait();
            rank.gpu().DestroyGraph(graph);
          } else {
            (void)rank.ExchangeAndWait({}, {rank.Message(0, 0)});
          }
        });
      },
      "of a message from rank 0 to rank 1 one side was captured");
}

TEST(FakeNetworkTest, AMessageThatNobodyReceivesFailsTheTest) {
  EXPECT_NONFATAL_FAILURE(
      {
        FakeNetwork network(2);
        Rank rank(network, 0, 1);
        (void)rank.ExchangeAndWait({rank.Message(1, 0)}, {});
      },
      "rank 1 never received what rank 0 has sent");
}

TEST(FakeNetworkTest, AGraphThatOutlivesItsCommunicatorFailsTheTest) {
  FakeNetwork network(1);
  Rank rank(network, 0, 2);
  const DeviceGraph graph = rank.Capture({rank.Message(0, 0)}, {rank.Message(0, 1)});
  EXPECT_NONFATAL_FAILURE(rank.Leave(), "ends before a graph");
  rank.gpu().DestroyGraph(graph);
}

}  // namespace
}  // namespace sextant
