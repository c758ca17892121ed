// Where the communicators of a FakeNetwork come from when ranks know of each other by ids alone, as
// with NCCL: a network for each id, in one process.
//
// Threads:   any. Open waits for the other ranks.
// Errors:    of Open: DeadlineExceeded and Cancelled as NCCL's; InvalidArgument for an id that
// nobody made, ranks
//            that do not fit together, and a GPU that is not open.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "common/exchange/ranks/rank_network.h"
#include "tests/support/device/emulated_gpu.h"
#include "tests/support/ranks/fake_network.h"

namespace sextant {

// What all ranks of a test have in common; outlives their communicators.
class FakeMeetings {
 public:
  [[nodiscard]] std::string MakeId();
  [[nodiscard]] absl::StatusOr<std::unique_ptr<Communicator>> Open(const RankOpening& opening,
                                                                   EmulatedGpu& gpu);

 private:
  struct Meeting {
    std::unique_ptr<FakeNetwork> network;  // from the first rank on
    std::set<int> came;
  };

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Meeting> meetings_;  // by id
};

// One rank's view.
class FakeRankNetwork final : public RankNetwork {
 public:
  using FindGpu = std::function<EmulatedGpu*()>;  // null: it is not open

  FakeRankNetwork(FakeMeetings& meetings, FindGpu find_gpu)
      : meetings_(meetings), find_gpu_(std::move(find_gpu)) {}

  [[nodiscard]] absl::StatusOr<std::string> MakeId() override { return meetings_.MakeId(); }
  [[nodiscard]] absl::StatusOr<std::unique_ptr<Communicator>> Open(
      const RankOpening& opening) override;

 private:
  FakeMeetings& meetings_;
  const FindGpu find_gpu_;
};

}  // namespace sextant
