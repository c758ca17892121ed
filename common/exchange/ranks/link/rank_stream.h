// One Attend stream, as the rank sees it. Of what is to be sent only the newest offer counts, for
// whoever makes it knows that the conductor needs none before it; so nothing piles up.
//
// Ownership: gRPC keeps the stream alive until it has ended, whoever else has let go of it.
// Threads:   every method may be called from any thread. Writes start on the caller's thread.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/client_callback.h>

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "common/base/mutex.h"
#include "common/exchange/ranks/conductor_host.h"
#include "common/exchange/ranks/step_messages.h"
#include "common/rpc/channel_link.h"

namespace sextant {

struct RankStreamEnd {
  RankSeat seat;
  std::uint64_t heard = 0;  // the newest call
  bool heard_last = false;
  bool unsound = false;  // `status` is the owner's, or says what was no message
  absl::Status status;
};

// Whose stream it is. Called on gRPC's threads, OnEnd once and last.
class RankStreamOwner {
 public:
  virtual ~RankStreamOwner() = default;

  // Errors: the stream is ended.
  [[nodiscard]] virtual absl::Status OnCall(const StepCall& call) = 0;
  [[nodiscard]] virtual absl::Status OnLast(const LastStep& last) = 0;
  virtual void OnEnd(const RankStreamEnd& end) = 0;
};

class RankStream final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  struct Options {
    ChannelLink& link;
    RankSeat seat;
    std::uint64_t heard = 0;         // by streams before it
    std::optional<StepOffer> offer;  // to be made first
    RankStreamOwner& owner;
  };

  // Starts the call. The owner outlives the stream's end, the link is kept until it is idle.
  [[nodiscard]] static std::shared_ptr<RankStream> Open(const Options& options);

  // Dropped when the stream has broken.
  void Send(const StepOffer& offer);
  void Cancel() { context_.TryCancel(); }

  [[nodiscard]] std::uint64_t attempt() const { return options_.seat.attempt; }

 private:
  explicit RankStream(const Options& options)
      : options_(options), heard_(options.heard), offer_(options.offer) {}

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

  [[nodiscard]] absl::Status Receive();
  // Whether there is something to write now: out_.
  [[nodiscard]] bool TakeNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Break();

  const Options options_;
  grpc::ClientContext context_;
  grpc::ByteBuffer in_;   // of the read under way
  grpc::ByteBuffer out_;  // of the write under way
  std::shared_ptr<RankStream> self_;

  Mutex mutex_;
  std::uint64_t heard_ ABSL_GUARDED_BY(mutex_);
  absl::Status unsound_ ABSL_GUARDED_BY(mutex_);
  std::optional<StepOffer> offer_ ABSL_GUARDED_BY(mutex_);  // to be sent
  bool heard_last_ ABSL_GUARDED_BY(mutex_) = false;
  bool said_so_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace sextant
