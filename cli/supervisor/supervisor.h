// Keeps a set of processes running: the state machine behind `sextant up` and `sextant node`.
//
// A child that dies is started again, after a pause that doubles with every death in a row and is
// forgotten once it has been ready for a while. One that exits with status 0 by itself has left on
// purpose (it was drained) and stays away, so that one less of its kind is wanted; a router never
// does. A child that dies again and again before the first time that all were ready will not get
// better: the supervisor gives up.
//
// Scaling:   SetWanted changes how many workers of a kind run. New ones are made by `make_worker`;
//            those too many, the youngest first, get SIGTERM, which has them drained, and SIGKILL
//            when they have not left after `drain` and `stop_patience`. They are not started again.
//            A worker has the lowest index that is free when it is made, and takes a lower one that
//            has become free when it is started again.
//
// Stopping:  the first request sends SIGTERM to the router, which refuses new work and lets its
//            streams end, while workers are kept alive; when it is gone, or the drain time is
//            over, or at the second request, everybody gets SIGTERM, and after `stop_patience`
//            SIGKILL. Where no router is among the children, the first request asks the attention
//            and whole workers to leave the cluster, as by SetWanted, and then the expert workers.
// Threads:   one; nothing here blocks or reads a clock, so that tests decide how time passes.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/supervisor/child_runner.h"

namespace sextant::cli {

class Supervisor {
 public:
  struct Options {
    absl::Duration first_pause = absl::Milliseconds(100);
    absl::Duration longest_pause = absl::Seconds(10);
    absl::Duration stable_after = absl::Seconds(10);  // ready for so long: earlier deaths are past
    int startup_attempts = 3;
    absl::Duration drain = absl::Seconds(30);
    absl::Duration stop_patience = absl::Seconds(5);
    // A worker of a kind with an index that none of them has, of `count` that are wanted.
    std::function<absl::StatusOr<ChildSpec>(ChildKind kind, int index, int count)> make_worker = {};
  };

  enum class State { kPausing, kStarting, kReady, kGone };
  struct Child {
    ChildSpec spec;
    int index = 0;  // among its kind
    State state = State::kPausing;
    int pid = 0;
    int deaths = 0;  // in a row
    bool was_ready = false;
    absl::Time next{};  // kPausing: of the start; kReady: since when
    std::optional<absl::Time> kill_at{};
    bool leaving = false;   // asked to leave while the others stay
    std::string trouble{};  // why it is not ready, if it has died
  };

  // What happened, for people: "expert_worker-1 died (signal 9); starting it again in 0.1 s".
  using Listener = std::function<void(const std::string& line)>;

  // `host` outlives the supervisor.
  Supervisor(std::vector<ChildSpec> children, const Options& options, ChildHost& host,
             Listener listener);

  void Start(absl::Time now);
  // Calls that of the next three that is meant.
  void Handle(const ChildEvent& event, absl::Time now);
  // The child has said that it is ready.
  void OnReady(int pid, absl::Time now);
  // As waitpid gives it: by exit(status), or by a signal (then status is minus its number).
  void OnExit(int pid, int status, absl::Time now);
  void RequestStop(absl::Time now);
  // From now on so many children of a kind of workers are kept running; those with a process id of
  // `leaving` are not counted, and are asked to leave. Where there are too many, those go first
  // that do not run, then those that are no `members`. Of no effect after RequestStop.
  void SetWanted(ChildKind kind, int count, const std::set<int>& leaving,
                 const std::set<int>& members, absl::Time now);
  [[nodiscard]] int wanted(ChildKind kind) const;
  // Call it when NextDeadline has passed; calling it at any other time does no harm.
  void OnTime(absl::Time now);

  // From the next start on, children of `kind` get `flag` once with each of `values` instead of as
  // it was given.
  void ReplaceFlag(ChildKind kind, const std::string& flag, const std::vector<std::string>& values);

  // When OnTime has something to do. InfiniteFuture: nothing until an event.
  [[nodiscard]] absl::Time NextDeadline() const;

  [[nodiscard]] bool AllReady() const;
  // How many of a kind are ready and not asked to leave.
  [[nodiscard]] int ready(ChildKind kind) const;
  // How often one of a kind has died, or could not be started.
  [[nodiscard]] int deaths(ChildKind kind) const;
  // Why a worker is not there that should be; empty when there is no such reason.
  [[nodiscard]] std::string Trouble() const;
  // Every child is gone, after a request to stop or a failure.
  [[nodiscard]] bool Done() const;
  // Why the supervisor gave up; OK otherwise.
  [[nodiscard]] const absl::Status& failure() const { return failure_; }
  [[nodiscard]] const std::vector<Child>& children() const { return children_; }

 private:
  enum class Phase { kRunning, kDraining, kStopping };

  Child* Find(int pid);
  void StartChild(Child& child, absl::Time now);
  [[nodiscard]] int FreeIndex(ChildKind kind, const Child* besides) const;
  void AddWorker(ChildKind kind, absl::Time now);
  void MoveUp(Child& child);
  void SendAway(Child& child, absl::Time now);
  void Forget(Child& child, const std::string& line);
  [[nodiscard]] std::vector<Child*> Staying(ChildKind kind);
  [[nodiscard]] Child& LeastUseful(ChildKind kind, const std::set<int>& members);
  void AfterDeath(Child& child, const std::string& how, absl::Time now);
  void DrainWorkers(absl::Time now);
  void StopAll(absl::Time now);
  [[nodiscard]] bool HasRouter() const;
  [[nodiscard]] bool RouterIsGone() const;

  const Options options_;
  ChildHost& host_;
  const Listener listener_;
  std::vector<Child> children_;  // the router's first
  std::map<ChildKind, int> wanted_;
  std::map<ChildKind, int> deaths_;
  Phase phase_ = Phase::kRunning;
  absl::Time drain_until_;  // kDraining
  bool all_were_ready_ = false;
  absl::Status failure_;
};

}  // namespace sextant::cli
