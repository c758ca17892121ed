// Keeps a set of processes running: the state machine behind `sextant up`.
//
// A child that dies is started again, after a pause that doubles with every death in a row and is
// forgotten once it has been ready for a while. One that exits with status 0 by itself has left on
// purpose (it was drained) and stays away; a router never does. A child that dies again and again
// before the first time that all were ready will not get better: the supervisor gives up.
//
// Stopping:  the first request sends SIGTERM to the router, which refuses new work and lets its
//            streams end, while workers are kept alive; when it is gone, or the drain time is
//            over, or at the second request, everybody gets SIGTERM, and after `stop_patience`
//            SIGKILL.
// Threads:   one; nothing here blocks or reads a clock, so that tests decide how time passes.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "cli/supervisor/child.h"

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
  };

  enum class State { kPausing, kStarting, kReady, kGone };
  struct Child {
    ChildSpec spec;
    State state = State::kPausing;
    int pid = 0;
    int deaths = 0;  // in a row
    bool was_ready = false;
    absl::Time next{};  // kPausing: of the start; kReady: since when
    std::optional<absl::Time> kill_at{};
  };

  // What happened, for people: "expert_worker-1 died (signal 9); starting it again in 0.1 s".
  using Listener = std::function<void(const std::string& line)>;

  // `host` outlives the supervisor.
  Supervisor(std::vector<ChildSpec> children, const Options& options, ChildHost& host,
             Listener listener);

  void Start(absl::Time now);
  // The child has said that it is ready.
  void OnReady(int pid, absl::Time now);
  // As waitpid gives it: by exit(status), or by a signal (then status is minus its number).
  void OnExit(int pid, int status, absl::Time now);
  void RequestStop(absl::Time now);
  // Call it when NextDeadline has passed; calling it at any other time does no harm.
  void OnTime(absl::Time now);

  // From the next start on, children of `kind` get `flag` once with each of `values` instead of as
  // it was given.
  void ReplaceFlag(ChildKind kind, const std::string& flag, const std::vector<std::string>& values);

  // When OnTime has something to do. InfiniteFuture: nothing until an event.
  [[nodiscard]] absl::Time NextDeadline() const;

  [[nodiscard]] bool AllReady() const;
  // Every child is gone, after a request to stop or a failure.
  [[nodiscard]] bool Done() const;
  // Why the supervisor gave up; OK otherwise.
  [[nodiscard]] const absl::Status& failure() const { return failure_; }
  [[nodiscard]] const std::vector<Child>& children() const { return children_; }

 private:
  enum class Phase { kRunning, kDraining, kStopping };

  Child* Find(int pid);
  void StartChild(Child& child, absl::Time now);
  void AfterDeath(Child& child, const std::string& how, absl::Time now);
  void StopAll(absl::Time now);
  [[nodiscard]] bool RouterIsGone() const;

  const Options options_;
  ChildHost& host_;
  const Listener listener_;
  std::vector<Child> children_;
  Phase phase_ = Phase::kRunning;
  absl::Time drain_until_;  // kDraining
  bool all_were_ready_ = false;
  absl::Status failure_;
};

}  // namespace sextant::cli
