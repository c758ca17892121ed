// Ranks as threads behind their gates: each engine is a thread, a further one carries messages, and
// the test drives the control plane. Exchanges wait for each other, as those of GPUs do, and come
// back when the communicator is aborted.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "common/exchange/ranks/conductor.h"
#include "tests/unit/common/exchange/ranks/simulated_control.h"
#include "tests/unit/common/exchange/ranks/simulated_net.h"
#include "tests/unit/common/exchange/ranks/simulated_sequences.h"
#include "tests/unit/common/exchange/ranks/simulated_step.h"

namespace sextant {

class ThreadedRank;

// Threads: the public methods are called by one.
class ThreadedRanks {
 public:
  ThreadedRanks(const ConductedLimits& limits, std::uint64_t seed);
  ~ThreadedRanks();  // stops and joins all

  void Join(bool attends, bool holds);
  void Drain(int process);
  void Kill(int process);
  void Arrive(bool hot, int prompt, int generated);
  void Reconnect();

  // Waits until so many more results are there, all are, or nobody can compute any. False where it
  // takes too long.
  [[nodiscard]] bool WaitForResults(int more);
  [[nodiscard]] bool CanCompute();
  [[nodiscard]] std::vector<std::string> Problems();
  [[nodiscard]] std::map<std::string, int> Counts();

  [[nodiscard]] int processes() const { return static_cast<int>(ranks_.size()); }

 private:
  friend class ThreadedRank;
  using Lock = std::unique_lock<std::mutex>;

  [[nodiscard]] SimulatedNet::Pick Pick();
  // These are called with the lock.
  void TakeSequencesFrom(ThreadedRank& rank);
  void PlaceSequences();
  [[nodiscard]] bool CanComputeNow() const;
  [[nodiscard]] bool AllDone() const;
  void Broadcast(int from, std::uint64_t epoch, const SimulatedMessage& message);
  void Require(const absl::Status& status);

  void CarryMessages();  // a thread

  const ConductedLimits limits_;
  std::vector<std::unique_ptr<ThreadedRank>> ranks_;  // appended by the test, with the lock

  std::mutex mutex_;  // guards all below, and the part of each rank that says so
  std::condition_variable changed_;
  std::mt19937_64 random_;
  SimulatedNet net_;
  SimulatedControl control_;
  std::vector<SimulatedSequence> sequences_;
  std::vector<std::size_t> homeless_;
  std::vector<std::string> violations_;
  std::map<std::string, int> counts_;
  int results_ = 0;
  bool stopping_ = false;

  std::thread carrier_;
};

}  // namespace sextant
