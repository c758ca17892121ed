// What Communicator promises, of NCCL's: ranks are processes that share GPU 0.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "common/device/gpu.h"
#include "common/exchange/nccl_module/nccl_network.h"
#include "kernels/cuda_module/cuda_backend.h"
#include "tests/support/device/device_memory.h"
#include "tests/unit/common/exchange/nccl_module/rank_processes.h"

namespace sextant {

// Of a process of its own, since ranks are forked from this one.
std::string WhyNoDevice() {
  setenv("SEXTANT_CUDA_MODULE", CUDA_MODULE_OF_THIS_BUILD, 0);
  setenv("SEXTANT_NCCL_MODULE", NCCL_MODULE_OF_THIS_BUILD, 0);
  std::string why;
  const testing::AssertionResult asked = RunRankProcesses(
      1, [](int, Meeting& meeting) { meeting.Write(OpenCuda(0).status().message()); }, &why);
  return asked ? why : asked.message();
}

namespace {

using testing::Each;

constexpr std::int64_t kEach = 4096;
constexpr absl::Duration kTimeout = absl::Seconds(60);

// One rank's GPU, its place among the ranks, and bytes to send and to receive.
class Rank {
 public:
  explicit Rank(std::int64_t bytes)
      : gpu_(OpenGpu()),
        network_(OpenNetwork()),
        bytes_(bytes),
        there_(Memory(GpuMemory::Place::kDevice)),
        here_(Memory(GpuMemory::Place::kPinnedHost)) {
    absl::StatusOr<GpuStream> stream = GpuStream::Create(*gpu_);
    EXPECT_TRUE(stream.ok()) << stream.status();
    stream_.emplace(*std::move(stream));
  }

  // Rank 0 makes the id, and all open with it.
  void Open(int rank, int size, Meeting& meeting) {
    if (rank == 0) meeting.Write(Id());
    meeting.Wait();
    Use(network_->Open({.id = meeting.Read(), .rank = rank, .size = size, .timeout = kTimeout}));
  }
  [[nodiscard]] std::string Id() {
    const absl::StatusOr<std::string> id = network_->MakeId();
    EXPECT_TRUE(id.ok()) << id.status();
    return id.value_or("");
  }
  void Use(absl::StatusOr<std::unique_ptr<Communicator>> communicator) {
    ASSERT_TRUE(communicator.ok()) << communicator.status();
    communicator_ = *std::move(communicator);
  }

  [[nodiscard]] GpuDriver& gpu() { return *gpu_; }
  [[nodiscard]] RankNetwork& network() { return *network_; }
  [[nodiscard]] Communicator& communicator() { return *communicator_; }
  [[nodiscard]] DeviceStream stream() const { return stream_->handle(); }
  [[nodiscard]] DeviceStatus Wait() { return gpu_->Synchronize(stream()); }

  [[nodiscard]] RankMessage Message(int peer, std::int64_t first, std::int64_t bytes) const {
    return {.peer = peer, .data = there_.data() + first, .bytes = bytes};
  }
  void Write(const std::vector<std::uint8_t>& bytes) {
    ASSERT_EQ(static_cast<std::int64_t>(bytes.size()), bytes_);
    std::memcpy(here_.data(), bytes.data(), bytes.size());
    ASSERT_TRUE(gpu_->CopyIn(stream(), there_.data(), here_.data(), bytes_).ok());
    ASSERT_TRUE(Wait().ok());
  }
  [[nodiscard]] std::vector<std::uint8_t> Read() {
    EXPECT_TRUE(gpu_->CopyOut(stream(), here_.data(), there_.data(), bytes_).ok());
    EXPECT_TRUE(Wait().ok());
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(bytes_));
    std::memcpy(bytes.data(), here_.data(), bytes.size());
    return bytes;
  }

 private:
  static std::unique_ptr<GpuDriver> OpenGpu() {
    absl::StatusOr<CudaBackend> backend = OpenCuda(0);
    EXPECT_TRUE(backend.ok()) << backend.status();
    return std::move(backend->gpu);
  }
  static std::unique_ptr<RankNetwork> OpenNetwork() {
    absl::StatusOr<std::unique_ptr<RankNetwork>> network = OpenNccl();
    EXPECT_TRUE(network.ok()) << network.status();
    return *std::move(network);
  }
  GpuMemory Memory(GpuMemory::Place place) {
    absl::StatusOr<GpuMemory> memory = GpuMemory::Allocate(*gpu_, place, bytes_, "bytes");
    EXPECT_TRUE(memory.ok()) << memory.status();
    return *std::move(memory);
  }

  std::unique_ptr<GpuDriver> gpu_;
  std::unique_ptr<RankNetwork> network_;
  std::int64_t bytes_;
  GpuMemory there_;
  GpuMemory here_;
  std::unique_ptr<Communicator> communicator_;
  std::optional<GpuStream> stream_;  // drained before the communicator ends
};

// Everybody sends `each` bytes to everybody, itself too: byte i of what a sends to b is a pattern
// of a, b and the round.
class AllToAll {
 public:
  AllToAll(int rank, int size, std::int64_t each) : rank_(rank), size_(size), each_(each) {}

  [[nodiscard]] std::int64_t bytes() const { return 2 * size_ * each_; }

  DeviceStatus Exchange(Rank& rank) const {
    std::vector<RankMessage> sends;
    std::vector<RankMessage> receives;
    for (int peer = 0; peer < size_; ++peer) {
      sends.push_back(rank.Message(peer, peer * each_, each_));
      receives.push_back(rank.Message(peer, (size_ + peer) * each_, each_));
    }
    return rank.communicator().Exchange(rank.stream(), sends, receives);
  }
  void WriteSends(Rank& rank, int round) const {
    std::vector<std::uint8_t> sends(static_cast<std::size_t>(bytes()), 0xff);
    for (int peer = 0; peer < size_; ++peer) Fill(sends, peer, rank_, peer, round);
    rank.Write(sends);
  }
  void ExpectReceives(Rank& rank, int round) const {
    const std::vector<std::uint8_t> bytes = rank.Read();
    std::vector<std::uint8_t> expected = bytes;
    for (int peer = 0; peer < size_; ++peer) Fill(expected, size_ + peer, peer, rank_, round);
    EXPECT_TRUE(bytes == expected) << "rank " << rank_ << ", round " << round;
  }

 private:
  void Fill(std::vector<std::uint8_t>& bytes, int place, int from, int to, int round) const {
    for (std::int64_t i = 0; i < each_; ++i) {
      bytes[static_cast<std::size_t>(place * each_ + i)] =
          static_cast<std::uint8_t>(i * 7 + i / 251 + 31 * from + 57 * to + 101 * round);
    }
  }

  int rank_;
  int size_;
  std::int64_t each_;
};

DeviceGraph Capture(Rank& rank, const AllToAll& all, int exchanges) {
  EXPECT_TRUE(rank.gpu().BeginCapture(rank.stream()).ok());
  for (int i = 0; i < exchanges; ++i) {
    const DeviceStatus status = all.Exchange(rank);
    EXPECT_TRUE(status.ok()) << status.message;
  }
  DeviceGraph graph;
  const DeviceStatus ended = rank.gpu().EndCapture(rank.stream(), &graph);
  EXPECT_TRUE(ended.ok()) << ended.message;
  return graph;
}

void ExchangeOnce(Rank& rank, const AllToAll& all, int round) {
  all.WriteSends(rank, round);
  const DeviceStatus status = all.Exchange(rank);
  ASSERT_TRUE(status.ok()) << status.message;
  ASSERT_TRUE(rank.Wait().ok());
  EXPECT_TRUE(rank.communicator().Health().ok());
  all.ExpectReceives(rank, round);
}

class NcclRanksTest : public DeviceTest {};

// Processes of so many ranks that have all opened, each with memory for 4096 bytes to everybody.
testing::AssertionResult RunOpened(
    int ranks, absl::FunctionRef<void(Rank& rank, const AllToAll& all, Meeting& meeting)> body) {
  return RunRankProcesses(ranks, [&](int self, Meeting& meeting) {
    const AllToAll all(self, ranks, kEach);
    Rank rank(all.bytes());
    rank.Open(self, ranks, meeting);
    body(rank, all, meeting);
  });
}

TEST_F(NcclRanksTest, EveryRankGetsWhatEveryOtherAndItselfSent) {
  constexpr int kRanks = 3;
  EXPECT_TRUE(RunRankProcesses(kRanks, [&](int self, Meeting& meeting) {
    for (const std::int64_t each : {1, 4099, 1 << 20}) {
      const AllToAll all(self, kRanks, each);
      Rank rank(all.bytes());
      rank.Open(self, kRanks, meeting);
      EXPECT_EQ(rank.communicator().rank(), self);
      EXPECT_EQ(rank.communicator().size(), kRanks);
      for (int round = 0; round < 3; ++round) ExchangeOnce(rank, all, round);
      meeting.Wait();
    }
  }));
}

TEST_F(NcclRanksTest, AGraphExchangesAtEveryLaunch) {
  EXPECT_TRUE(RunOpened(3, [](Rank& rank, const AllToAll& all, Meeting& /*meeting*/) {
    const GpuGraph graph(rank.gpu(), Capture(rank, all, 4));
    for (int round = 0; round < 5; ++round) {
      all.WriteSends(rank, round);
      ASSERT_TRUE(rank.gpu().Launch(rank.stream(), graph.handle()).ok());
      ASSERT_TRUE(rank.Wait().ok());
      all.ExpectReceives(rank, round);
      ExchangeOnce(rank, all, round + 10);  // and outside of it in between
    }
  }));
}

TEST_F(NcclRanksTest, AbortEndsWhatWaitsForADeadRankAndTheStreamGoesOn) {
  EXPECT_TRUE(RunOpened(2, [](Rank& rank, const AllToAll& all, Meeting& meeting) {
    std::optional<GpuGraph> graph(std::in_place, rank.gpu(), Capture(rank, all, 4));
    ExchangeOnce(rank, all, 0);
    meeting.Wait();
    if (rank.communicator().rank() == 1) Die();
    ASSERT_TRUE(rank.gpu().Launch(rank.stream(), graph->handle()).ok());
    std::thread control([&rank] { rank.communicator().Abort(); });
    ASSERT_TRUE(rank.Wait().ok());
    EXPECT_EQ(rank.communicator().Health().error, DeviceError::kDevice);
    control.join();
    EXPECT_EQ(all.Exchange(rank).error, DeviceError::kDevice);
    // What is launched after the abort ends too.
    ASSERT_TRUE(rank.gpu().Launch(rank.stream(), graph->handle()).ok());
    ASSERT_TRUE(rank.Wait().ok());
    all.WriteSends(rank, 1);
    ASSERT_TRUE(rank.gpu().FillZeros(rank.stream(), rank.Message(0, 0, 0).data, all.bytes()).ok());
    EXPECT_THAT(rank.Read(), Each(0));
    graph.reset();
  }));
}

TEST_F(NcclRanksTest, SurvivorsOpenAnew) {
  constexpr int kRanks = 3;
  EXPECT_TRUE(RunOpened(kRanks, [](Rank& rank, const AllToAll& all, Meeting& meeting) {
    const int self = rank.communicator().rank();
    ExchangeOnce(rank, all, 0);
    // For later, while all are there to wait for it.
    if (self == 0) meeting.Write(rank.Id());
    meeting.Wait();
    if (self == 2) Die();
    // NCCL may have noticed by itself, and refuse.
    (void)all.Exchange(rank);
    rank.communicator().Abort();
    ASSERT_TRUE(rank.Wait().ok());
    rank.Use(rank.network().Open(
        {.id = meeting.Read(), .rank = self, .size = kRanks - 1, .timeout = kTimeout}));
    const AllToAll rest(self, kRanks - 1, kRanks * kEach / (kRanks - 1));
    ASSERT_EQ(rest.bytes(), all.bytes());
    ExchangeOnce(rank, rest, 1);
  }));
}

TEST_F(NcclRanksTest, OpeningEndsWhereARankDoesNotCome) {
  EXPECT_TRUE(RunRankProcesses(1, [](int, Meeting&) {
    Rank rank(1);
    const RankOpening opening{.id = rank.Id(), .rank = 0, .size = 2, .timeout = absl::Seconds(2)};
    EXPECT_EQ(rank.network().Open(opening).status().code(), absl::StatusCode::kDeadlineExceeded);
    const std::atomic<bool> cancelled = true;
    const RankOpening nobody{.id = rank.Id(),
                             .rank = 0,
                             .size = 2,
                             .timeout = absl::Minutes(1),
                             .cancelled = &cancelled};
    EXPECT_EQ(rank.network().Open(nobody).status().code(), absl::StatusCode::kCancelled);
  }));
}

}  // namespace
}  // namespace sextant
