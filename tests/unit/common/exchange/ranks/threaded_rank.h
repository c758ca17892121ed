// One of ThreadedRanks: its engine's thread and its gate.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "common/exchange/ranks/conductors.h"
#include "common/exchange/ranks/step_gate.h"
#include "tests/unit/common/exchange/ranks/threaded_ranks.h"

namespace sextant {

class ThreadedRank final : public ConductorLink, public RankEngine {
 public:
  ThreadedRank(ThreadedRanks& all, int process, bool attending, bool holding);

  void Start() {
    thread_ = std::thread([this] { Run(); });
  }
  void Join() { thread_.join(); }
  void StopWire() {
    if (wire_ != nullptr) wire_->Stop();
  }
  void BreakWire() { wire_->Break(); }
  void Hear(const SimulatedMessage& message);  // without the lock

  // The engine's.
  void Send(const StepOffer& offer) override;
  void Enter(std::uint64_t epoch) override { epoch_ = epoch; }
  void Leave(std::uint64_t /*next*/) override {}
  absl::StatusOr<StepEnd> TakeWithoutRows(const RankStep& step) override { return Walk(step, {}); }

  const int id;
  const bool attends;
  const bool holds;
  StepGate gate;
  // Guarded by the lock of all.
  bool alive = true;
  bool draining = false;
  std::vector<std::size_t> sequences;

 private:
  using Lock = std::unique_lock<std::mutex>;

  void Run();
  [[nodiscard]] SimulatedBatch PickBatch();
  [[nodiscard]] StepEnd Walk(const RankStep& step, const SimulatedBatch& batch);

  void Prepare(std::uint64_t number);
  void PrepareWire(std::uint64_t number);
  void Halt(std::uint64_t next);
  void EndBefore(std::uint64_t next);
  void BroadcastIfBegun(const absl::StatusOr<std::optional<StepCall>>& begun);  // with the lock

  ThreadedRanks& all_;
  std::uint64_t epoch_ = 0;          // the engine's
  bool overflowed_ = false;          // the engine's: the next rows are offered in exact form
  std::uint64_t halted_before_ = 0;  // guarded by the lock of all, as are the next two
  std::uint64_t aborted_before_ = 0;
  Conductors conductors_;  // where messages are simulated, else there is a wire
  std::unique_ptr<RankWire> wire_;
  std::thread thread_;
};

}  // namespace sextant
