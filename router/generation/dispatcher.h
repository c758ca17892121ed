// Every request from its admission to its end: waits in the queue, runs on attention workers, and
// its tokens become pieces for its client.
//
// A sequence whose worker is lost is started again elsewhere with the tokens it has, before
// anything in the queue; its client sees a pause. So is one whose worker the directory lists no
// more, as soon as another one is ready. With no worker left they wait.
//
// Errors of a request:
//   InvalidArgument    its id is running already; no worker's cache can ever hold it
//   ResourceExhausted  the queue is full
//   DeadlineExceeded   in the queue or later
//   Unavailable        no attention worker, or no holder of an expert, until shortly before the
//                      deadline: it says which; or it lost kMaxLosses workers without getting a
//                      token, and may be what kills them
//                      Without a deadline: after Options::wait_for_worker of that
//   Cancelled          by its client, or by Cancel
//   what an attention worker says is the request's own fault
//
// Threads:   one calls everything.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/concurrency/clock.h"
#include "router/admission/admission_queue.h"
#include "router/coordinator/expert_cover.h"
#include "router/generation/piece.h"
#include "router/generation/prepared_request.h"
#include "router/generation/request_metrics.h"
#include "router/scheduling/attention_peer.h"
#include "router/scheduling/worker_table.h"
#include "router/tokenizer/tokenizer.h"

namespace sextant::router {

class Dispatcher {
 public:
  static constexpr int kMaxLosses = 10;

  struct Options {
    std::int64_t queue_capacity = 256;
    // That a request without a deadline waits while no worker can serve it.
    absl::Duration wait_for_worker = absl::Seconds(30);
    const Tokenizer* tokenizer = nullptr;  // null: pieces without text
    // Told when the first attention worker becomes ready and when the last one goes.
    std::function<void(bool serving)> on_serving = [](bool) {};
  };

  // All outlive the dispatcher.
  Dispatcher(Options options, AttentionPeers& peers, RequestMetrics& metrics, const Clock& clock);
  ~Dispatcher();

  void Submit(PreparedRequest request, std::shared_ptr<AnswerSink> sink);
  // Ends a request with Cancelled. NotFound when none has that id.
  [[nodiscard]] absl::Status Cancel(const std::string& request_id);
  // The client of the call has gone. No-op for one that has ended.
  void Abandon(std::uint64_t handle);
  // From now on new requests get Unavailable.
  void StopAdmission() { admitting_ = false; }

  void SetWorkers(const std::vector<AttentionWorkerInfo>& listed);
  // What the experts lack now: whose deadline passes meanwhile is told so. With every worker that
  // was lost, the streams that run count as interrupted.
  void SetCover(ExpertCover cover);
  void OnPeerEvents(PeerNumber number, PeerEvents events);
  void OnPeerLost(PeerNumber number, const absl::Status& why);

  // Does what is due; returns when to call again at the latest.
  [[nodiscard]] absl::Time Tick();

  struct State {
    std::int64_t queued = 0;
    std::int64_t running = 0;   // sequences on workers
    std::int64_t requests = 0;  // that have not ended
    std::int64_t ready_workers = 0;
    absl::Duration retry_delay = {};  // for who is refused now
  };
  [[nodiscard]] State state() const;

 private:
  // dispatcher_request.h has these two.
  struct AnswerState;
  struct Request;
  struct Place {
    Request* request = nullptr;
    std::int32_t answer = 0;
  };
  // A sequence that has to be started again: by priority, then the request's age, then the answer.
  using RestartKey = std::tuple<std::int32_t, std::uint64_t, std::int32_t>;

  [[nodiscard]] absl::Status Admit(const PreparedRequest& request);
  [[nodiscard]] Request* FindRequest(std::uint64_t handle);
  void Dispatch();
  [[nodiscard]] bool DispatchRestarts();
  enum class Started : std::uint8_t { kYes, kNoWorker, kRequestEnded };
  [[nodiscard]] Started StartAnswer(Request& request, std::int32_t index);
  void TakeToken(Request& request, std::int32_t index, PeerToken token);
  void FinishAnswer(Request& request, std::int32_t index, Piece& piece);
  void TakeFailure(Request& request, std::int32_t index, PeerFailure failure);
  // Takes the sequence off its worker, which is told if it is still to be reached.
  void Detach(AnswerState& answer, bool tell_worker);
  void Restart(Request& request, std::int32_t index, absl::Time not_before);
  // When the sequences of a worker that is not listed go to others.
  [[nodiscard]] absl::Time MoveTime(const AttentionWorker& worker) const;
  void MoveFromUnlisted();
  [[nodiscard]] absl::Time NextMove() const;
  void End(Request& request, absl::Status status);
  // What every call ends with: starts what can start, and tells whether workers are ready.
  void Settle();

  // Expiry (dispatcher_expiry.cc).
  void EndExpired();
  // When to look at a new request for the first time.
  [[nodiscard]] absl::Time FirstLook(const Request& request) const;
  // When to look again at a request that would end with `status`; in the past when it does.
  [[nodiscard]] absl::Time NextLook(const Request& request, const absl::Status& status) const;
  void NoteWhetherServed();
  [[nodiscard]] absl::Status ExpiryOf(const Request& request) const;

  const Options options_;
  RequestMetrics& metrics_;
  const Clock& clock_;
  WorkerTable workers_;
  ExpertCover cover_;
  absl::Time ready_since_ = absl::InfiniteFuture();  // some worker has been
  AdmissionQueue queue_;
  absl::Time now_;  // of the call that is under way
  bool admitting_ = true;
  bool serving_ = false;
  absl::Time unserved_since_;  // InfiniteFuture while requests can be served
  std::unordered_map<std::uint64_t, std::unique_ptr<Request>> requests_;  // by handle
  std::unordered_map<std::string, Request*> by_id_;
  std::unordered_map<SequenceNumber, Place> sequences_;  // on workers
  std::map<RestartKey, absl::Time> restarts_;            // not before that time
  std::set<std::pair<absl::Time, std::uint64_t>> expiries_;
  SequenceNumber last_sequence_ = 0;
};

}  // namespace sextant::router
