// A control plane: decides which processes are the ranks of which epoch, hears of deaths, and tells
// everybody. It knows nothing of steps.
//
// A death of a member ends its epoch for everybody, and another epoch is prepared. All else (a
// process comes, or is to go) is prepared first; once everybody is, the conductor is told to
// switch.
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
  void Hear(const EpochPrepared& prepared);

  [[nodiscard]] SimulatedEpoch& epoch(std::uint64_t number) { return *epochs_.at(number); }
  // Whether the process is a member of the newest epoch, or is to be.
  [[nodiscard]] bool Wanted(int process) const;
  [[nodiscard]] bool InCurrent(int process) const {
    return current_ != nullptr && current_->RankOf(process) >= 0;
  }
  [[nodiscard]] bool served() const { return current_ != nullptr; }
  [[nodiscard]] int switches() const { return switches_; }
  [[nodiscard]] int epochs() const { return static_cast<int>(epochs_.size()); }

 private:
  struct Process {
    bool attends = false;
    bool holds = false;
    bool wanted = true;
  };

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
  int switches_ = 0;
};

}  // namespace sextant
