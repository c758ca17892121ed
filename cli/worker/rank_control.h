// What the control plane does to one GPU of several: the epochs of its exchange, the experts that
// they give it, and the conducting of those whose lowest attention rank it is.
//
//   RankControl control({.network = network, ...});
//   auto rank = DeviceRank::Open(backend, model, checkpoint, control.link(), options);
//   control.Use(**rank);
//   ... a server with control.service(), a Member whose role calls Prepare to Retire ...
//   control.StopSteps();  // then the membership and the engine thread end
//   control.StopStreams();  // then the rank, then this
//
// A rank that is in an epoch enters the next one after the last step of that, whose conductor may
// say so before this rank is told to commit; so the next one is there from Prepare on. A rank that
// is in none, being new or halted, would enter at once: for it the next one is there from Commit
// on. So nobody is ever in an epoch that may still be given up.
//
// Threads:   Use, StopSteps and StopStreams belong to one thread. Prepare, Commit, Halt and Retire
//            are called as those of a MemberRole (common/membership/member.h).
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/engine/device_rank.h"
#include "common/base/mutex.h"
#include "common/exchange/ranks/conductor_host.h"
#include "common/exchange/ranks/link/rank_link.h"
#include "common/exchange/ranks/link/ranks_service.h"
#include "common/exchange/ranks/rank_layout.h"
#include "common/exchange/ranks/rank_network.h"
#include "common/observability/log.h"
#include "proto/sextant/v1/placement.pb.h"

namespace sextant::cli {

class RankControl {
 public:
  struct Options {
    RankNetwork& network;  // outlives this
    std::int32_t num_experts = 0;
    // Of the epochs that it conducts: every rank of a cluster has the same.
    ConductedLimits limits = {};
    Logger log;
    // This rank can take part in no epoch any more, as far as it knows; on a thread of gRPC's.
    std::function<void(const absl::Status&)> on_broken;
  };

  explicit RankControl(Options options);
  RankControl(const RankControl&) = delete;
  RankControl& operator=(const RankControl&) = delete;

  [[nodiscard]] RankLink& link() { return link_; }
  // sextant.v1.Ranks. Its server ends before this does.
  [[nodiscard]] RanksService& service() { return service_; }

  // Once, before everything below. Neither outlives the other's use: see above.
  void Use(DeviceRank& rank);

  // For the rank of the worker that has this id. Ends what was halted before; loads the experts
  // that the placement gives it; opens the communicator with the other ranks. Where the worker is
  // no rank of the placement it does the first alone.
  // Errors: InvalidArgument for a placement that makes no sense, Cancelled when a later one, or
  //         Halt of a later epoch, came before all ranks had; those of DeviceRank::LoadExperts,
  //         RankNetwork and RankExchange::Prepare.
  [[nodiscard]] absl::Status Prepare(const v1::Placement& placement, const std::string& worker_id);
  // Ends the epoch before between two steps, if it is conducted here; returns when this rank takes
  // its steps in the new one.
  void Commit(std::uint64_t epoch);
  void Supersede(std::uint64_t epoch);
  void Halt(std::uint64_t before);
  // Drops the experts that the committed epoch does not give to this rank.
  void Retire(std::uint64_t epoch);

  // No further step is begun, and no epoch waited for; one that is under way may take some seconds.
  void StopSteps();
  // After the end of the thread that takes them.
  void StopStreams();

 private:
  // A placement as this rank sees it.
  struct Epoch {
    std::uint64_t number = 0;
    std::optional<int> rank;  // none: it is no rank of it
    std::vector<std::int32_t> experts;
  };

  [[nodiscard]] absl::StatusOr<std::shared_ptr<Communicator>> OpenCommunicator(std::uint64_t epoch,
                                                                               int rank, int size);
  // All ranks have halted: it is said by the word to prepare `next`.
  void AbortHalted(std::uint64_t next);
  void AbortAt(absl::Time time);
  void AbortLater();  // a thread
  [[nodiscard]] bool IsInEpoch() const;
  [[nodiscard]] std::uint64_t HaltedBefore() const;
  [[nodiscard]] bool IsHalted(std::uint64_t epoch) const;
  // Begins or ends the waiting for other ranks. False: there is a later epoch already.
  [[nodiscard]] bool BeginOpening(std::uint64_t epoch);
  void EndOpening();
  // Whoever waits for an epoch before `next` to open waits no longer.
  void CancelBefore(std::uint64_t next) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnTrouble(const RankTrouble& trouble);

  const Options options_;
  ConductorHost host_;
  RanksService service_;
  RankLink link_;
  DeviceRank* rank_ = nullptr;

  // Of the thread that calls Prepare, Commit and Retire.
  Epoch prepared_;
  Epoch committed_;
  std::optional<RankMembership> waiting_;  // for the commit of prepared_

  mutable Mutex mutex_;
  std::uint64_t halted_ ABSL_GUARDED_BY(mutex_) = 0;   // epochs before it are
  std::uint64_t newest_ ABSL_GUARDED_BY(mutex_) = 0;   // that there is
  std::uint64_t opening_ ABSL_GUARDED_BY(mutex_) = 0;  // 0: none
  std::atomic<bool> cancelled_ = false;                // the opening

  std::mutex timer_mutex_;  // guards the next three; not Mutex, for it waits until a time
  std::condition_variable timer_changed_;
  absl::Time abort_at_ = absl::InfiniteFuture();
  bool stopped_ = false;
  std::thread aborter_;  // from Use to StopStreams
};

}  // namespace sextant::cli
