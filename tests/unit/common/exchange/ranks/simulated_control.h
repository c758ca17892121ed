// A control plane: decides which processes are the ranks of which epoch, hears of deaths, and tells
// everybody. It knows nothing of steps.
//
// A death of a member ends its epoch for everybody: all are halted, and when all have said so all
// are aborted, and another epoch is prepared. All else (a process comes, or is to go) is prepared
// first; once everybody is, the conductor is told to switch.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "tests/unit/common/exchange/ranks/simulated_net.h"
#include "tests/unit/common/exchange/ranks/simulated_step.h"

namespace sextant {

class SimulatedControl {
 public:
  using Pick = SimulatedNet::Pick;

  // `net` outlives this.
  SimulatedControl(SimulatedNet& net, Pick pick) : net_(net), pick_(std::move(pick)) {}

  void Join(int process, bool attends, bool holds);
  void Drain(int process);
  void HearOfDeath(int process);
  // An answer.
  void Hear(const SimulatedMessage& message);

  [[nodiscard]] SimulatedEpoch& epoch(std::uint64_t number) { return *epochs_.at(number); }
  // Whether the process is a member of the newest epoch, or is to be.
  [[nodiscard]] bool Wanted(int process) const;
  [[nodiscard]] bool InCurrent(int process) const {
    return current_ != nullptr && current_->RankOf(process) >= 0;
  }
  [[nodiscard]] bool served() const { return current_ != nullptr; }
  [[nodiscard]] int switches() const { return switches_; }

  bool aborts_at_once = false;  // a bug

  [[nodiscard]] int epochs() const { return static_cast<int>(epochs_.size()); }

 private:
  struct Process {
    bool attends = false;
    bool holds = false;
    bool wanted = true;
  };

  void HearPrepared(const EpochPrepared& prepared);
  void HearHalted(const EpochsHalted& halted);
  // Epochs before `next` are over, also for those who have not left one of them yet.
  void Halt(std::uint64_t next);
  void AbortIfHalted();
  void Reconsider();
  // Null: nobody attends, or nobody can hold experts.
  [[nodiscard]] std::unique_ptr<SimulatedEpoch> Plan();
  [[nodiscard]] std::set<int> WantedNow() const;
  void Tell(const SimulatedMessage& message);
  void Prepare(const SimulatedEpoch& epoch);

  SimulatedNet& net_;
  const Pick pick_;
  std::map<int, Process> processes_;  // not known to be dead
  std::map<std::uint64_t, std::unique_ptr<SimulatedEpoch>> epochs_;
  std::uint64_t last_number_ = 0;
  SimulatedEpoch* current_ = nullptr;
  SimulatedEpoch* prepared_ = nullptr;  // to follow it
  std::set<int> answered_;              // who is ready for that
  std::uint64_t halted_before_ = 0;     // epochs
  bool halting_ = false;
  std::set<int> halts_;  // who has not said that they are, and is alive
  int switches_ = 0;
};

}  // namespace sextant
