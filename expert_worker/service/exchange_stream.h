// One attention worker's Exchange stream, as the server sees it: frames go to the dispatch worker,
// answers come back from it in whatever order. A frame that cannot be read is answered with an
// error, and the stream goes on.
//
// Bounds:    a stream that has kMaxUnanswered dispatches, or more than kMaxUnansweredBytes of them,
//            waiting for answers or for the peer to read its answers is not read from: the peer is
//            held up by flow control, nobody else is.
// Ownership: gRPC keeps the stream alive until it has ended, and so does a dispatch that waits.
// Threads:   gRPC's call the reactions; any thread answers.
#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>

#include "common/base/mutex.h"
#include "expert_worker/dispatch/dispatch_worker.h"
#include "expert_worker/dispatch/pending_dispatch.h"

namespace sextant {

class ExchangeStream final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                             public DispatchSource,
                             public std::enable_shared_from_this<ExchangeStream> {
 public:
  static constexpr int kMaxUnanswered = 8;
  static constexpr std::int64_t kMaxUnansweredBytes = 64 << 20;

  // Starts to read. `worker` outlives the call; `on_end` is called once, when the call has ended.
  static ExchangeStream* Start(DispatchWorker& worker, std::function<void()> on_end);

  [[nodiscard]] bool gone() const override;
  void Answer(FrameBytes frame) override;

 private:
  ExchangeStream(DispatchWorker& worker, std::function<void()> on_end)
      : worker_(worker), on_end_(std::move(on_end)) {}

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  void Receive(const grpc::ByteBuffer& bytes);
  void Refuse(std::uint64_t dispatch, const absl::Status& why);

  // What there is to do next, decided under the lock and done after it.
  struct Next {
    const grpc::ByteBuffer* write = nullptr;
    bool read = false;
    bool finish = false;
  };
  Next Decide() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Do(const Next& next);

  DispatchWorker& worker_;
  const std::function<void()> on_end_;
  grpc::ByteBuffer incoming_;  // of the read under way
  std::shared_ptr<ExchangeStream> self_;

  mutable Mutex mutex_;
  std::deque<grpc::ByteBuffer> outgoing_ ABSL_GUARDED_BY(mutex_);
  int unanswered_ ABSL_GUARDED_BY(mutex_) = 0;  // received, and the answer not yet written
  std::int64_t unanswered_bytes_ ABSL_GUARDED_BY(mutex_) = 0;  // answers that wait to be written
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool no_more_ ABSL_GUARDED_BY(mutex_) = false;  // the peer sends nothing further
  bool cut_off_ ABSL_GUARDED_BY(mutex_) = false;  // the peer is gone: answers are for nobody
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace sextant
