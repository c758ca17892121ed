// Processes with the real machines of a rank and of a conductor each, in one thread: a net between
// them, a control plane, an exchange, engines that have sequences to compute. Whoever drives it
// says what happens next; what must hold is checked all the time.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/exchange/ranks/conductors.h"
#include "common/exchange/ranks/rank_pace.h"
#include "tests/unit/common/exchange/ranks/simulated_control.h"
#include "tests/unit/common/exchange/ranks/simulated_net.h"
#include "tests/unit/common/exchange/ranks/simulated_sequences.h"
#include "tests/unit/common/exchange/ranks/simulated_step.h"

namespace sextant {

class SimulatedRanks {
 public:
  using Pick = SimulatedNet::Pick;

  enum class PlantedBug : std::uint8_t {
    kNone,
    kMixEpochs,     // calls of another epoch are taken for those of the present one
    kTrustAborted,  // what an aborted exchange left counts as results
    kForgetRows,    // rows that a step was taken without are not offered again
    kAbortAtOnce,   // who hears of a death aborts, before the others have halted
  };

  SimulatedRanks(const ConductedLimits& limits, Pick pick)
      : limits_(limits), pick_(std::move(pick)), control_(net_, pick_) {}

  // What may happen. Those that return false did nothing.
  void Join(bool attends, bool holds);
  void Drain(int process);
  void Kill(int process);
  bool NoticeDeath();
  void Arrive(bool hot, int prompt, int generated);
  bool Deliver();
  void Reconnect() { net_.Reconnect(pick_); }
  bool RunEngine(int process);

  // Without further faults, until nothing happens any more; then checks that all is done, and that
  // nothing happens indeed.
  void Settle();

  [[nodiscard]] int processes() const { return static_cast<int>(processes_.size()); }
  [[nodiscard]] bool alive(int process) const { return At(process).alive; }
  [[nodiscard]] int wanted() const;
  [[nodiscard]] bool HasWanted(bool attends) const;
  [[nodiscard]] const std::vector<std::string>& violations() const { return violations_; }
  // How often what happened: "steps", "exact steps", "late rows" ...
  [[nodiscard]] const std::map<std::string, std::int64_t>& counts() const { return counts_; }

  PlantedBug bug = PlantedBug::kNone;

 private:
  using StepName = std::pair<std::uint64_t, std::uint64_t>;  // epoch, number

  // A step on the stream.
  struct Launched {
    SimulatedEpoch* epoch = nullptr;
    RankStep step;
    SimulatedBatch batch;                    // without rows: empty
    std::optional<SimulatedStep> walk = {};  // since the steps before it have ended
    bool aborted = false;
    bool discarded = false;  // follows a step that has not arrived

    [[nodiscard]] bool ended() const { return aborted || (walk.has_value() && walk->finished()); }
  };

  struct Process {
    Process(const ConductedLimits& limits, bool attending, bool holding, bool is_ahead)
        : attends(attending), holds(holding), ahead(is_ahead), conductors(limits) {}

    bool attends;
    bool holds;
    bool ahead;
    bool alive = true;
    RankPace pace;
    Conductors conductors;
    std::uint64_t halted_before = 0;     // epochs
    std::uint64_t aborted_before = 0;    // communicators of earlier epochs
    StepName newest;                     // of its steps
    std::deque<Launched> stream;         // not confirmed
    bool overflowed = false;             // the next rows are offered in exact form
    SimulatedBatch batch;                // offered, and not on the stream
    std::vector<std::size_t> sequences;  // its own, unfinished
  };

  [[nodiscard]] Process& At(int process) { return processes_[static_cast<std::size_t>(process)]; }
  [[nodiscard]] const Process& At(int process) const {
    return processes_[static_cast<std::size_t>(process)];
  }

  void Hear(int to, const SimulatedMessage& message);
  void Prepare(int to, std::uint64_t epoch);
  void Halt(int to, std::uint64_t next);
  void EndBefore(int to, std::uint64_t next);
  void Broadcast(int from, const StepCall& call);
  void Broadcast(int from, const LastStep& last);
  void BroadcastIfBegun(int from, const absl::StatusOr<std::optional<StepCall>>& begun);

  // The engines (simulated_engines.cc).
  bool RunHost(int id);
  void PickBatch(Process& process);
  void Offer(int id);
  void Take(int id);
  bool RunStream(int id);
  [[nodiscard]] std::vector<std::uint64_t> RowsFor(const Process& process,
                                                   const Launched& launched) const;
  bool Confirm(Process& process);

  bool MoveSequences();
  void Require(bool holds, const std::string& what);
  void Require(const absl::Status& status) { Require(status.ok(), status.ToString()); }

  const ConductedLimits limits_;
  const Pick pick_;
  SimulatedNet net_;
  SimulatedControl control_;
  std::vector<Process> processes_;
  std::vector<SimulatedSequence> sequences_;
  std::vector<std::size_t> homeless_;  // sequences
  std::vector<int> unnoticed_;         // dead processes
  std::map<StepName, StepCall> called_;
  std::map<std::uint64_t, std::uint64_t> last_steps_;  // of epochs that were closed
  std::vector<std::string> violations_;
  std::map<std::string, std::int64_t> counts_;
};

}  // namespace sextant
