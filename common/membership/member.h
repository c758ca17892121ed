// A worker's membership of the cluster: its side of Cluster.Join (cluster.proto).
//
//   auto member = Member::Join({.router_target = target, .hello = hello});  // welcomed, or why not
//   ... build the engine for member->welcome().numeric_profile(), with member->worker_id() ...
//   member->Start(role);               // heartbeats begin, epochs may come
//   ... until SIGTERM or Options::on_ended ...
//   member->Leave(absl::Seconds(10));  // drained; then stop the services
//
// A broken stream, or a router that is silent for Welcome's death_milliseconds, is no end: the
// member dials again for as long as it takes and says what its worker still holds, and the worker
// goes on with it. Refused then (the new router serves another model, say), or told goodbye, it has
// ended for good.
//
// Threads:   Join, Start and Leave belong to one thread of the caller's; Start is called once.
//            Prepare, Commit and Retire of the role come from one thread of the member's, one after
//            the other; FillHeartbeat, Supersede and Halt come from others at any time, also while
//            Prepare or Commit blocks, must take no longer than a lock held for microseconds, and
//            are not called before Start.
// Ownership: the role outlives the member.
// Shutdown:  Leave, or the destructor alone to vanish without being drained. After either, the role
//            is not called any more.
// Errors:    Join: FailedPrecondition with a reason for a worker that does not fit the cluster
//            (VERSION_MISMATCH, MODEL_MISMATCH, PROFILE_UNSUPPORTED, EXCHANGE_MISMATCH),
//            InvalidArgument for a hello that makes no sense, Unavailable when no router answers
//            within join_timeout.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "proto/sextant/v1/cluster.pb.h"

namespace sextant {

// What the worker does when the cluster's placement changes.
class MemberRole {
 public:
  virtual ~MemberRole() = default;

  // Makes everything ready for the placement without giving up what is held: an expert worker maps
  // its experts of it, an attention worker opens streams to all holders. May block; a peer that
  // cannot be reached should be an error within a second or so, and as soon as the placement is
  // superseded. A placement that is prepared and not committed is replaced by the next
  // one prepared. An error is told to the coordinator, which tries again with another epoch.
  [[nodiscard]] virtual absl::Status Prepare(const v1::Placement& placement) = 0;

  // Switches to the placement prepared last, which has this number. Returns when the switch has
  // taken place: from then on no row is sent by an older placement. A rank's may take as long as
  // the other ranks do, and returns soon when the epoch is halted.
  virtual void Commit(std::uint64_t epoch) = 0;

  // The placement `epoch` is waiting to be prepared, so nobody waits for older ones any more: a
  // Prepare that is under way, or comes yet, for one of those should return an error now. Comes
  // from another thread than Prepare, and must not block.
  virtual void Supersede(std::uint64_t /*epoch*/) {}

  // Ranks: every epoch below `before` is over, for one of its ranks is gone, say. Its steps are to
  // fail from now on, and a Prepare or Commit of it that is under way, or comes yet, is to return;
  // its communicator is not to be aborted before the next Prepare, which comes when all ranks have
  // been told. When this returns, that is so. Comes from another thread than Prepare, and must not
  // block. Others are never told.
  virtual void Halt(std::uint64_t /*before*/) {}

  // Workers that hold experts: every worker has switched to `epoch`, the committed one; what it
  // does not place here may be dropped. Those that hold none are never told.
  virtual void Retire(std::uint64_t epoch) = 0;

  // Sets everything but the epoch, which the member knows.
  virtual void FillHeartbeat(v1::Heartbeat& beat) = 0;
};

// "attention-HOST-PID-RANDOM": unique for one life of one process.
[[nodiscard]] std::string NewWorkerId(v1::Role role);

class Member {
 public:
  struct Options {
    std::string router_target;  // gRPC target: "127.0.0.1:7070", "unix:/run/sextant/router.sock"
    // Role, whether it is a rank, endpoint, model, numeric_profiles, and for workers that compute
    // sequences the cache. The member sets
    // version, worker_id and pid where they are empty; it keeps holding and newest_epoch itself.
    v1::Hello hello;
    absl::Duration join_timeout = absl::Seconds(60);
    // What happens to the membership, one line each, for the log: "lost the router: ...".
    std::function<void(const std::string& line)> on_event = nullptr;
    // Called once, by a thread of the member's, when the membership has ended without Leave.
    std::function<void()> on_ended = nullptr;
  };

  // Waits for a router that is not up yet, and for its welcome.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Member>> Join(Options options);
  ~Member();
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;

  [[nodiscard]] const std::string& worker_id() const;
  // The first one; the numeric profile stays for the worker's life.
  [[nodiscard]] const v1::Welcome& welcome() const;

  void Start(MemberRole& role);

  // Asks to be drained, waits at most `grace` for the goodbye while epochs go on, and ends the
  // stream. Without a router, or before Start, there is nothing to wait for.
  void Leave(absl::Duration grace);

  // OK while the worker is a member or dials again, and after a goodbye or Leave; else why the
  // membership ended.
  [[nodiscard]] absl::Status failure() const;

 private:
  class Impl;
  explicit Member(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace sextant
