// One Exchange stream to one expert worker: frames out in order, answers and the stream's end into
// the box.
//
// Ownership: gRPC keeps the stream alive until it has ended, whoever else has let go of it.
// Threads:   every method may be called from any thread. Writes start on the caller's thread.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/client_callback.h>

#include <cstdint>
#include <deque>
#include <memory>

#include "common/base/mutex.h"
#include "common/exchange/answer_box.h"
#include "common/exchange/dispatch_ledger.h"
#include "common/rpc/channel_link.h"

namespace sextant {

using ExchangeBox = AnswerBox<grpc::ByteBuffer>;

class HolderStream final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  struct Options {
    ChannelLink& link;
    HolderId holder = 0;
    std::uint64_t stream = 0;
    ExchangeBox& box;
  };

  // Starts the call. The box outlives the stream's end, the link is kept until it is idle.
  [[nodiscard]] static std::shared_ptr<HolderStream> Open(const Options& options);

  // False when the stream has broken; its end is then in the box, or will be.
  [[nodiscard]] bool Send(grpc::ByteBuffer frame);

  [[nodiscard]] bool broken() const;
  [[nodiscard]] std::uint64_t stream() const { return options_.stream; }

  void Cancel() { context_.TryCancel(); }

 private:
  explicit HolderStream(const Options& options) : options_(options) {}

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;
  void Break();

  const Options options_;
  grpc::ClientContext context_;
  grpc::ByteBuffer incoming_;  // of the read under way
  std::shared_ptr<HolderStream> self_;

  mutable Mutex mutex_;
  std::deque<grpc::ByteBuffer> outgoing_ ABSL_GUARDED_BY(mutex_);  // the first is being written
  std::int64_t awaited_ ABSL_GUARDED_BY(mutex_) = 0;               // frames sent and not answered
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace sextant
