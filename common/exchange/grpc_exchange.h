// The exchange between processes: one long-lived stream to every expert worker that the placement
// names, over unix sockets or TCP; rows travel as raw bytes, each once per destination however
// many of its experts live there, and all destinations are in flight at once.
//
//   exchange->Prepare(placement);  // membership thread: connects to holders that are new
//   exchange->Commit(7);           // membership thread: the next rows go by placement 7
//   exchange->Dispatch(...);       // engine thread
//   exchange->Collect();           // engine thread: waits for every row
//
// Failure:   when a worker's stream breaks, or it answers that it does not hold an expert, its rows
//            are sent again: to another live holder, or by the newest committed placement. Where
//            nobody holds an expert, Collect waits for a placement or a reconnection, at most
//            `dispatch_patience`. A placement that no longer names a worker takes its unanswered
//            rows away from it. Answers to what was taken away are dropped by number, so no row is
//            applied twice.
// Numerics:  under kBf16 rows travel as bf16, else as f32. Both lose nothing, because under kBf16
//            every value of a dispatch and of an output is already rounded to bf16.
// Ownership: as exchange.h says; output rows lie in the order of the choices (row_of is 0, 1, ...).
// Threads:   Dispatch and Collect belong to one thread; every other method may be called by any.
//            The destructor cancels the streams and waits for their ends.
// Errors:    InvalidArgument for shapes or ids out of range, and when a worker says that a dispatch
//            is malformed; Unavailable naming the experts that nobody serves, after the patience;
//            Internal when a worker cannot compute; Cancelled after Stop. After an error from
//            Collect the dispatch is over, and the exchange may be used on.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/exchange/exchange.h"
#include "common/tensor/precision.h"

namespace sextant {

namespace v1 {
class Placement;
}

// What the exchange has done since it was made.
struct ExchangeCounts {
  std::int64_t dispatches = 0;
  std::int64_t frames_sent = 0;     // one for each worker of a dispatch, and those sent again
  std::int64_t bytes_sent = 0;      // of frames
  std::int64_t bytes_received = 0;  // of answers
  std::int64_t rows_resent = 0;     // output rows that were asked for again
  std::int64_t stale_answers = 0;   // dropped by number
  std::int64_t streams_broken = 0;
};

class GrpcExchange final : public Exchange {
 public:
  struct Options {
    std::int32_t num_experts = 0;  // routed, per MoE layer
    std::int64_t hidden = 0;
    Precision precision = Precision::kBf16;
    std::string own_host_id;  // HostId(): workers with the same one are reached by unix socket
    absl::Duration dispatch_patience = absl::Seconds(10);
    absl::Duration connect_timeout = absl::Seconds(1);  // of Prepare
  };

  explicit GrpcExchange(Options options);
  ~GrpcExchange() override;

  // Opens streams to the workers of `placement` that have none, and waits until all are connected.
  // Rows go by it only after Commit.
  // Errors: InvalidArgument for a placement that contradicts itself or whose experts are out of
  //         range, or for an epoch that is not newer than the committed one; Unavailable naming the
  //         worker that cannot be reached; Aborted when superseded.
  [[nodiscard]] absl::Status Prepare(const v1::Placement& placement);

  // A Prepare of an older placement than `epoch` waits for connections no longer: it ends with
  // Aborted, now or when it comes.
  void Supersede(std::uint64_t epoch);

  // When it returns, no row is sent by an older placement any more; it waits for nothing but rows
  // that are being sent. An epoch that was not prepared, or is not newer than the committed one,
  // changes nothing.
  void Commit(std::uint64_t epoch);

  // The committed epoch; 0 before the first.
  [[nodiscard]] std::uint64_t epoch() const;

  // Ends Collect, now and from now on, with Cancelled.
  void Stop();

  [[nodiscard]] ExchangeCounts counts() const;

  [[nodiscard]] absl::Status Dispatch(const ExpertDispatch& dispatch) override;
  [[nodiscard]] absl::StatusOr<ExpertOutputs> Collect() override;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sextant
