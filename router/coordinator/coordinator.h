// Membership, placement and epochs of the cluster: the state machine behind Cluster.Join.
//
// Inputs are what streams bring and the passing of time; outputs are messages, ends of streams and
// the directory of attention workers. Nothing blocks, nothing is kept on disk: after a restart the
// workers say what they hold, and keep it.
//
// One change is under way at a time (cluster.proto has its phases). What happens meanwhile goes
// into the next one, but for the death of a worker that the change gives experts to: then the next
// one begins at once, under a new number. An attention worker that dies is waited for no longer.
// While a change is prepared the one before it stays in force, so giving it up costs nothing; once
// commit has been sent it is the one in force, whoever has heard of it, and the next builds on it.
//
// Scale sets a goal for the number of workers of a role. Too many: those whose leaving costs least
// are drained. Too few: the process host, if one follows, is told to start some, else they are
// waited for. The goal is reached when so many are ready, none leaves, and the last epoch is
// retired. A new goal of a role takes the place of the one before it; an epoch is of one placement,
// whatever asked for it.
//
// Whole workers compute all experts themselves. They take sequences from their first heartbeat on
// and are drained as attention workers are; epochs neither reach them nor wait for them.
//
// Ranks are in lockstep: an epoch has all of them that attend or hold experts, one that attends at
// least, and its end is a last step of all. So one that leaves waits for an epoch without it; and
// the death of any rank of the epoch in force, or while some have committed the next one, of
// either, breaks it: the change under way is given up, and one begins with a halt of all ranks.
// After it they are in no epoch, and wait together where workers for one are missing. Nobody enters
// an epoch before it is committed, so one that is given up while it is prepared needs no halt. A
// rank alone is halted when it comes back after it was missed: it may be in an epoch that the
// others are not in. A router that starts anew keeps the ranks' epoch if all of its ranks come back
// and none has heard of a later one; else it begins with a halt.
//
// Load:    expert workers report rows by expert. Rebalance, asked for or by itself (see
//          CoordinatorConfig), moves experts so that the workers' loads are even; membership
//          changes go by the number of experts alone. The hottest experts may have a second holder.
// Settings: those of placement may change at any time. If the epoch in force is not as they say,
//          the next one is due: what holds an expert keeps it as far as they allow, and copies
//          follow.
//
// Order:   with equal inputs and times, equal outputs: workers go by id, experts by number.
// Threads: one thread makes every call, and `output` is called from within.
// Errors:  a message that makes no sense ends its stream; one that comes late (an answer for an
//          epoch that was given up, anything from a stream that has ended) is dropped.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/concurrency/clock.h"
#include "proto/sextant/v1/admin.pb.h"
#include "proto/sextant/v1/cluster.pb.h"
#include "router/coordinator/agreement.h"
#include "router/coordinator/coordinator_config.h"
#include "router/coordinator/coordinator_output.h"
#include "router/coordinator/epoch_change.h"
#include "router/coordinator/event_log.h"
#include "router/coordinator/load_balance.h"
#include "router/coordinator/load_meter.h"
#include "router/coordinator/placement.h"
#include "router/coordinator/scaling.h"
#include "router/coordinator/worker.h"

namespace sextant {

class Coordinator {
 public:
  // `clock` and `output` outlive it.
  Coordinator(CoordinatorConfig config, const Clock& clock, CoordinatorOutput& output);

  void Opened(StreamId stream);
  void Received(StreamId stream, const v1::WorkerMessage& message);
  // The other side has ended it, or the connection broke.
  void Closed(StreamId stream);
  // A stream does not keep up with what it is sent, and is ended.
  void Overflowed(StreamId stream);
  // To be called several times per heartbeat interval.
  void Tick();

  // As if the worker had sent `leaving`. Errors: NotFound for an unknown worker;
  // FailedPrecondition when it is the last worker that could hold experts, while there are others
  // that attend, which need them.
  [[nodiscard]] absl::Status Drain(const std::string& worker_id);

  // What Scale would do: the workers that would go or are missing, the experts that would move.
  // Errors: InvalidArgument for a role or a count that cannot be; FailedPrecondition for expert
  // workers in a cluster of whole ones alone, for workers that compute on CPUs in one that computes
  // on GPUs, for colocated ones where the others are no ranks, and for more ranks while a host is
  // followed, which cannot start them.
  [[nodiscard]] absl::StatusOr<v1::ChangeProgress> PlanScale(v1::Role role, int count) const;
  // Sets the goal; returns its plan. `number` is set to the goal's.
  [[nodiscard]] absl::StatusOr<v1::ChangeProgress> Scale(v1::Role role, int count,
                                                         std::uint64_t& number);

  // Evens out the observed load, or with PlanRebalance only says what that would do. `number` is
  // set to the goal's. Errors: FailedPrecondition without a committed epoch or without any load.
  [[nodiscard]] absl::StatusOr<v1::ChangeProgress> PlanRebalance() const;
  [[nodiscard]] absl::StatusOr<v1::ChangeProgress> Rebalance(std::uint64_t& number);

  void SetPlacement(const PlacementSettings& settings);

  // Streams of Hosts.Follow.
  void HostReported(StreamId stream, const v1::HostReport& report);
  void HostClosed(StreamId stream);

  // All but the queue.
  [[nodiscard]] v1::ClusterStatus Status() const;
  // Grows with everything that Status shows, but for what each heartbeat changes.
  [[nodiscard]] std::uint64_t changes() const { return events_.count() + quiet_changes_; }

 private:
  struct Stream {
    absl::Time opened;
    std::string worker_id;  // empty before its hello
  };

  // Streams and members (coordinator.cc).
  void OnHello(StreamId stream, const v1::Hello& hello);
  void OnMessage(Worker& worker, const v1::WorkerMessage& message);
  void OnHeartbeat(Worker& worker, const v1::Heartbeat& beat);
  void Leave(Worker& worker);
  void EndStream(StreamId stream, const absl::Status& status);
  void Remove(const std::string& worker_id, const absl::Status& status);  // ends its stream
  void Bury(const std::string& worker_id, const std::string& how);
  void ForgiveOwnSilence(absl::Time now);
  void EndOverdueStreams(absl::Time now);
  void EndSilentWorkers(absl::Time now);
  void SayAlive(absl::Time now);
  void UpdateDirectory();
  [[nodiscard]] bool HasMember(const std::function<bool(const Worker&)>& is) const;
  [[nodiscard]] std::vector<std::int32_t> Unheld() const;
  void UpdateCover();

  // Epochs (coordinator_epochs.cc).
  void Advance();
  [[nodiscard]] bool IsChangeDue(absl::Time now) const;
  [[nodiscard]] bool IsSettled(absl::Time now) const;
  [[nodiscard]] bool HasGoalOfEpochs() const;
  [[nodiscard]] bool IsFirstEpochDue(absl::Time now) const;
  [[nodiscard]] bool HasOrphans() const;
  [[nodiscard]] bool HasMembersThatLeave() const;
  [[nodiscard]] bool HasNewcomers() const;
  // Nothing that members have done or anybody has asked for waits for an epoch.
  [[nodiscard]] bool IsCalm() const;
  [[nodiscard]] bool IsEveryHolderBack() const;
  [[nodiscard]] std::vector<std::string> Candidates() const;
  [[nodiscard]] bool IsHolding(const HolderLists& holders, const std::string& worker_id) const;
  [[nodiscard]] HolderLists PreviousHolders() const;
  [[nodiscard]] HolderLists PlanHolders(const std::vector<std::string>& workers,
                                        const HolderLists& previous, bool by_load) const;
  void BeginChange();
  void StartPrepare();
  void OnPrepared(Worker& worker, const v1::Prepared& prepared);
  void OnCommitted(Worker& worker, std::uint64_t epoch);
  void OnRetired(const Worker& worker, std::uint64_t epoch);
  void StartCommit();
  void StartRetire();
  void FinishChange();
  void EnterPhase(EpochChange::Phase phase, absl::Duration limit);
  [[nodiscard]] double LeavePhase();
  [[nodiscard]] std::string CauseOfChange() const;
  void AbandonChange(const std::string& why);
  void EndOverdueAnswers(absl::Time now);
  void LetGo();
  [[nodiscard]] bool MayGo(const Worker& worker) const;

  // Ranks (coordinator_ranks.cc).
  [[nodiscard]] bool AreRanks() const;
  [[nodiscard]] bool CanPlace() const;
  [[nodiscard]] bool IsOver() const;
  [[nodiscard]] std::set<std::string> RanksOf(const HolderLists& holders) const;
  void BreakEpoch();
  void MeetReturned();
  void HaltIfLate(Worker& worker);
  void Halt(Worker& worker, std::uint64_t before);
  void OnHalted(Worker& worker, std::uint64_t before);
  void EndOverdueHalts(absl::Time now);
  void StartHalt();
  [[nodiscard]] bool FinishHalt();
  [[nodiscard]] bool MayRankGo(const Worker& worker) const;

  // Load (coordinator_load.cc).
  [[nodiscard]] bool CountLoad(const v1::Heartbeat& beat);  // false: of an expert that is none
  void ConsiderRebalancing(absl::Time now);
  [[nodiscard]] RebalancePlan PlanByLoad() const;
  [[nodiscard]] absl::StatusOr<RebalancePlan> CheckRebalance() const;
  void StartRebalancing(const RebalancePlan& plan);
  void FinishRebalancing();
  void FillLoad(v1::ClusterStatus& status) const;

  // Settings (coordinator_settings.cc).
  void AdoptSettings();
  [[nodiscard]] HolderLists PlanBySettings() const;

  // Scaling (coordinator_scale.cc).
  [[nodiscard]] absl::Status CheckUse(v1::Role role) const;
  [[nodiscard]] std::vector<const Worker*> Staying(v1::Role role) const;
  [[nodiscard]] std::vector<std::string> ChooseLeavers(v1::Role role, int count) const;
  [[nodiscard]] bool IsSupervised(const Worker& worker) const;
  [[nodiscard]] bool IsOfRanks(v1::Role role) const;
  [[nodiscard]] bool IsShort(v1::Role role) const;
  void SendSurplusAway();
  void SetHostWanted(v1::Role role, int count);
  void MakeGood(v1::Role role);
  void SendOrdersIfNew();
  void FinishReachedGoals();
  [[nodiscard]] bool IsReached(v1::Role role, const ScaleGoal& goal) const;
  void FillScales(v1::ClusterStatus& status) const;

  [[nodiscard]] const char* StateOf(const Worker& worker) const;
  [[nodiscard]] bool IsReady(const Worker& worker) const;
  [[nodiscard]] std::string Phase() const;
  [[nodiscard]] v1::EpochStatus ChangeStatus() const;

  void Note(const std::string& text) { events_.Add(clock_.Now(), text); }

  CoordinatorConfig config_;
  const Clock& clock_;
  CoordinatorOutput& output_;

  Agreement agreement_;
  EventLog events_;
  std::uint64_t quiet_changes_ = 0;  // that are no event
  const absl::Time created_;

  std::map<StreamId, Stream> streams_;
  WorkerTable workers_;
  std::vector<AttentionWorkerInfo> directory_;
  ExpertCover cover_;
  std::int64_t holders_lost_ = 0;
  absl::Time last_tick_;
  absl::Time last_alive_;
  absl::Time first_hello_ = absl::InfiniteFuture();
  absl::Time last_join_ = absl::InfinitePast();     // or first heartbeat
  absl::Time first_join_ = absl::InfiniteFuture();  // since the last change began

  std::uint64_t newest_ = 0;          // the highest epoch number that anybody has heard of
  std::uint64_t epoch_ = 0;           // in force: commit was sent
  std::uint64_t finished_epoch_ = 0;  // the last one that was committed by all
  HolderLists holders_;               // of the epoch in force
  // Ranks of the epoch in force, and until all have left it, of the one before. Empty while there
  // is none.
  std::set<std::string> ranks_;
  bool is_broken_ = false;         // ranks may be in an epoch that cannot end: a halt comes first
  bool has_met_returned_ = false;  // it is known what ranks were in when this router started
  PlacementSettings placed_by_;    // what that epoch is as they say
  absl::Time committed_at_ = absl::InfinitePast();
  std::optional<EpochChange> change_;
  absl::Time retry_at_ = absl::InfinitePast();
  // Attention workers count as ready from an epoch above this one on.
  std::uint64_t lost_epoch_ = 0;
  v1::EpochStatus change_status_;  // of the change under way, or of the last one
  std::int64_t moved_ = 0;         // experts, by all committed epochs

  std::map<v1::Role, ScaleGoal> goals_;
  std::uint64_t scales_ = 0;
  std::optional<ProcessHost> host_;

  LoadMeter load_;
  RebalanceGoal rebalance_;
  std::uint64_t rebalances_ = 0;
  absl::Time uneven_since_ = absl::InfiniteFuture();

  v1::Placement returned_;  // the newest placement that workers held when they joined
};

}  // namespace sextant
