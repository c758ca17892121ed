// A coordinator with simulated workers: messages in both directions wait until the test delivers
// them, time passes when the test says so, and what must never happen is checked all along.
//
// Invariants, each checked whenever the coordinator sends something or a worker obeys:
//   - nothing is sent on a stream that has ended
//   - epoch numbers ascend, above everything that a worker has told of
//   - a placement gives every expert to an expert worker that is there, and to no more than one
//     without copies (replicas), nor to two with them
//   - commit comes when every worker that was told to prepare has done so or is gone
//   - retire comes when every attention worker that was told to commit has done so or is gone, and
//     none uses an older epoch
//   - no whole worker is told of an epoch
//   - no expert worker drops, or is let go with, an expert that an attention worker reaches it for
// And of ranks (simulated_ranks.cc):
//   - an epoch names those that attend or hold experts, by id, and has a conductor
//   - what each is told is what HeldEpochs accepts
//   - none is told to prepare, and thus to abort, while another one waits in an epoch that was
//     halted, or whose ranks are not all there
//   - none is told to commit while it is in an epoch that cannot have a last step
//   - those that may be given sequences are not in two epochs whose ranks are all in them
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/membership/held_epochs.h"
#include "router/coordinator/coordinator.h"
#include "tests/support/manual_clock.h"
#include "tests/unit/router/coordinator/hellos.h"

namespace sextant {

// What the engine of a rank is in, and what its member has still to do.
struct SimulatedRank {
  HeldEpochs books;
  std::deque<v1::CoordinatorMessage> commands;    // a halt overtakes them
  std::map<std::uint64_t, v1::Placement> epochs;  // prepared, and not aborted since
  std::set<std::uint64_t> communicators;          // of epochs that it has entered
  std::uint64_t halted_before = 0;
  std::uint64_t entered = 0;     // 0: none
  std::uint64_t committing = 0;  // it waits in Commit; 0: it does not
  StreamId committing_for = 0;   // who is to be answered
};

// What one process of a worker knows; obeys as common/membership does.
struct SimulatedWorker {
  v1::Hello hello;
  bool alive = true;
  bool frozen = false;    // takes nothing, sends nothing
  bool starting = false;  // still builds its engine: no heartbeats
  bool leaving = false;
  bool fails_to_prepare = false;
  std::int64_t running = 0;
  std::map<int, std::int64_t> load;  // rows by expert, to be told with the next heartbeat

  StreamId stream = 0;  // 0: it has none
  bool welcomed = false;
  std::deque<v1::CoordinatorMessage> inbox;
  std::optional<absl::Status> end;  // of the stream, after the inbox
  std::deque<v1::WorkerMessage> outbox;
  absl::Time next_beat;

  std::optional<v1::Placement> prepared;
  v1::Placement committed;
  bool committed_on_this_stream = false;
  std::set<int> held;
  std::uint64_t newest = 0;
  std::optional<absl::Status> over;  // refused, or goodbye (OK)

  SimulatedRank rank;

  [[nodiscard]] bool is_rank() const { return hello.rank(); }
  [[nodiscard]] bool attends() const { return hello.role() != v1::ROLE_EXPERT; }
  [[nodiscard]] bool holds() const {
    return hello.role() == v1::ROLE_EXPERT || hello.role() == v1::ROLE_COLOCATED;
  }
  [[nodiscard]] bool is_expert() const { return hello.role() == v1::ROLE_EXPERT; }
  [[nodiscard]] bool is_whole() const { return hello.role() == v1::ROLE_WHOLE; }
};

// Who starts and stops processes when the coordinator says so; obeys as `sextant up` does. Its
// processes are workers named after it: "e-host-1001", with the first letter of their role.
struct SimulatedHost {
  StreamId stream = 0;  // 0: it has none
  std::map<v1::Role, int> wanted;
  std::deque<v1::HostOrders> inbox;
  std::set<std::int64_t> pids;     // of processes that run
  std::set<std::int64_t> leaving;  // of those that were asked to leave
  std::set<std::int64_t> members;
  std::uint64_t obeyed = 0;
};

class SimulatedCluster final : public CoordinatorOutput {
 public:
  explicit SimulatedCluster(CoordinatorConfig config);

  // A worker that dials at once. Its heartbeats begin with its welcome unless it is `starting`.
  SimulatedWorker& Add(v1::Hello hello);
  SimulatedWorker& AddExpert(const std::string& id) { return Add(ExpertHello(id, num_experts)); }
  SimulatedWorker& AddAttention(const std::string& id) {
    return Add(AttentionHello(id, num_experts));
  }
  SimulatedWorker& AddWhole(const std::string& id) { return Add(WholeHello(id, num_experts)); }
  SimulatedWorker& AddRank(v1::Role role, const std::string& id) {
    return Add(RankHello(role, id, num_experts));
  }
  void Dial(SimulatedWorker& worker);  // after it has lost its stream
  // The process is gone; the coordinator learns it when HearOfEnds delivers that.
  void Kill(SimulatedWorker& worker);
  void Leave(SimulatedWorker& worker);
  void RestartRouter();
  void SetPlacement(const PlacementSettings& settings);

  // A host follows the router, with so many workers of its own.
  void AddHost(int attention, int experts, int whole = 0, int colocated = 0);
  // It is gone with its processes.
  void LoseHost();
  // The host obeys its orders, replaces what has died, and reports.
  void RunHost();

  // One message, if there is one and the worker is not frozen; whether there was.
  bool DeliverToWorker(SimulatedWorker& worker);
  bool DeliverToCoordinator(SimulatedWorker& worker);
  // An old message once more, on the stream where it was sent: a late or a doubled one.
  void DeliverAgain(std::size_t which);
  // The first message of the worker that satisfies `is`.
  [[nodiscard]] std::size_t SentBy(const std::string& id,
                                   const std::function<bool(const v1::WorkerMessage&)>& is) const;
  bool HearOfEnds();
  void DeliverEverything();

  // Lets time pass: due heartbeats are put into outboxes, then the coordinator's clock ticks.
  void Pass(absl::Duration duration);
  // Time with everything delivered at once, and lost streams dialled again.
  void Run(absl::Duration duration);

  [[nodiscard]] SimulatedWorker& worker(const std::string& id) { return workers_.at(id); }
  [[nodiscard]] std::map<std::string, SimulatedWorker>& workers() { return workers_; }
  [[nodiscard]] Coordinator& coordinator() { return *coordinator_; }
  [[nodiscard]] v1::ClusterStatus Status() const { return coordinator_->Status(); }
  [[nodiscard]] std::vector<std::string> directory() const { return directory_; }
  [[nodiscard]] const ExpertCover& cover() const { return cover_; }
  [[nodiscard]] const std::vector<std::string>& violations() const { return violations_; }
  [[nodiscard]] std::size_t sent_count() const { return sent_.size(); }
  // Epochs that were prepared since the router started.
  [[nodiscard]] int epochs_begun() const { return epochs_begun_; }
  [[nodiscard]] int retires_sent() const { return retires_sent_; }
  // Committed epochs by cause, and phases that were gone through, since the beginning.
  [[nodiscard]] const std::map<std::string, int>& causes() const { return causes_; }
  [[nodiscard]] const std::map<std::string, int>& phases() const { return phases_; }

  // After faults are over and time has passed: everybody who lives is ready, in one epoch that is
  // balanced over the expert workers. Adds to violations().
  void CheckSteady();

  [[nodiscard]] SimulatedHost& host() { return host_; }

  int num_experts = 8;
  ManualClock clock;

  // Faults of a coordinator, planted where its messages leave it, to see that they are found.
  enum class PlantedBug {
    kNone,
    kRetireWithCommit,  // expert workers drop experts before attention workers have switched
    kGoodbyeAtOnce,     // a worker that wishes to leave is let go before it is drained
    kSkipCommits,       // attention workers are believed to have switched to every second epoch
    kSkipHalts,         // ranks that hold no experts are believed to have halted
  };
  PlantedBug bug = PlantedBug::kNone;

 private:
  void Send(StreamId stream, const v1::CoordinatorMessage& message) override;
  void End(StreamId stream, const absl::Status& status) override;
  void SendOrders(StreamId stream, const v1::HostOrders& orders) override;
  void EndHost(StreamId stream, const absl::Status& status) override;
  void PhaseEnded(const char* phase, absl::Duration took) override;
  void EpochCommitted(const std::string& cause, int moved) override;
  void SetDirectory(const std::vector<AttentionWorkerInfo>& workers) override;
  void SetCover(const ExpertCover& cover) override { cover_ = cover; }

  void FollowRouter();
  void KeepProcesses(v1::Role role);
  void Plant(SimulatedWorker& worker, const v1::CoordinatorMessage& message);
  void ReportHost();
  void Obey(SimulatedWorker& worker, const v1::CoordinatorMessage& message);
  void LoseStream(SimulatedWorker& worker);
  void Answer(SimulatedWorker& worker, v1::WorkerMessage message);
  void Tell(StreamId stream, const v1::WorkerMessage& message);

  // Ranks (simulated_ranks.cc).
  void ObeyRank(SimulatedWorker& worker, const v1::CoordinatorMessage& message);
  void ObeyHalt(SimulatedWorker& worker, std::uint64_t before);
  bool RunRole(SimulatedWorker& worker);  // whether there was a command that it could obey
  void PrepareRank(SimulatedWorker& worker, const v1::Placement& placement);
  void CommitRank(SimulatedWorker& worker, std::uint64_t epoch);
  void MoveEngines();
  void TakeLastStep(const v1::Placement& epoch, std::uint64_t next);
  void FinishCommits();
  [[nodiscard]] bool AllAreIn(const v1::Placement& epoch);
  [[nodiscard]] bool IsMember(const std::string& id) const;
  void CheckRanks(const v1::Placement& placement);
  void CheckAborts(const SimulatedWorker& worker);
  void CheckCanLeave(const SimulatedWorker& worker, std::uint64_t next);
  void CheckOneEpoch();
  void CheckEntered(const v1::ClusterStatus& status);

  void CheckPrepare(const v1::Placement& placement);
  void CheckCommit(std::uint64_t epoch);
  void CheckRetire(std::uint64_t epoch);
  [[nodiscard]] bool IsLeaving(const std::string& id) const;
  void CheckReach(const SimulatedWorker& expert_worker, const char* when);
  void Violation(const std::string& what);
  [[nodiscard]] SimulatedWorker* WorkerOf(StreamId stream);

  CoordinatorConfig config_;
  std::unique_ptr<Coordinator> coordinator_;
  std::map<std::string, SimulatedWorker> workers_;
  StreamId streams_ = 0;
  SimulatedHost host_;
  std::int64_t processes_ = 0;

  // What the coordinator knows as open streams, and what was said on them.
  struct OpenStream {
    std::string worker_id;
    bool heard_hello = false;
    std::uint64_t told_prepare = 0;
    std::uint64_t heard_prepared = 0;
    std::uint64_t told_commit = 0;
    std::uint64_t heard_committed = 0;
  };
  std::map<StreamId, OpenStream> open_;
  std::vector<StreamId> broken_;  // the coordinator has not heard of it yet
  std::deque<std::pair<StreamId, v1::WorkerMessage>> sent_;  // lately, without heartbeats

  // By the epochs that are to end: those themselves, and what follows.
  std::map<std::uint64_t, std::pair<v1::Placement, std::uint64_t>> last_steps_;

  std::vector<std::string> directory_;
  ExpertCover cover_;
  std::vector<std::string> violations_;
  std::uint64_t newest_told_ = 0;
  std::uint64_t newest_prepare_ = 0;
  int epochs_begun_ = 0;
  int retires_sent_ = 0;
  std::map<std::string, int> causes_;
  std::map<std::string, int> phases_;
};

}  // namespace sextant
