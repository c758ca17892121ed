// Rows on their way between the attention and the expert workers of a SimulatedCluster, kept with
// the books of the real exchange (common/exchange/dispatch_ledger.h): what a worker sends, who
// answers, what comes late, twice or not at all.
//
// Invariants, added to violations() when they do not hold:
//   - of every row of a dispatch one answer is applied, by a worker that held the expert
//   - a dispatch ends with every row applied
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/exchange/dispatch_ledger.h"
#include "tests/unit/router/coordinator/simulated_cluster.h"

namespace sextant {

class SimulatedRows {
 public:
  // `pick(n)` is a random number below n.
  SimulatedRows(SimulatedCluster& cluster, std::function<int(int)> pick)
      : cluster_(cluster), pick_(std::move(pick)) {}

  // Something happens somewhere: a dispatch begins, a row or an answer arrives, or arrives again.
  void Step();
  // Everything arrives, until nothing is on its way.
  void Settle();
  // Every dispatch has ended.
  void CheckEnded();

  [[nodiscard]] const std::vector<std::string>& violations() const { return violations_; }
  [[nodiscard]] std::int64_t dispatches() const { return dispatches_; }  // that have ended
  [[nodiscard]] std::int64_t resent() const { return resent_; }          // rows

  // A mutation of the sender, to see that a fault of it is found: answers are applied without a
  // look at whether they are still waited for.
  bool apply_stale_answers = false;

 private:
  // One attention worker's exchange.
  struct Sender {
    DispatchLedger ledger;
    HolderTable table;
    std::map<std::string, HolderId> ids;  // of expert workers
    std::vector<std::int32_t> experts;    // [T * K] of the dispatch
    std::vector<int> applied;             // [T * K]: how often
    bool under_way = false;
  };
  struct Frame {
    std::string sender;
    std::string holder;
    std::uint64_t number = 0;
    std::vector<std::int32_t> slots;
    std::vector<int> experts{};  // of the slots
    bool is_answer = false;
    bool refused = false;
  };

  void Begin(Sender& sender);
  void UseCommitted(const SimulatedWorker& worker, Sender& sender);
  void SendUnsent(const std::string& id, Sender& sender);
  void Deliver(Frame frame);
  void Answer(Sender& sender, const Frame& frame);
  void EndIfDone(Sender& sender);
  void DropDead();
  [[nodiscard]] SimulatedWorker* Find(const std::string& id);
  [[nodiscard]] static std::string NameOf(const Sender& sender, HolderId holder);

  SimulatedCluster& cluster_;
  const std::function<int(int)> pick_;
  std::map<std::string, Sender> senders_;  // by attention worker
  std::deque<Frame> wire_;
  std::deque<Frame> late_;  // answers that have arrived, which may arrive again
  std::vector<std::string> violations_;
  std::int64_t dispatches_ = 0;
  std::int64_t resent_ = 0;
};

}  // namespace sextant
