// sextant.v1.Attention: hands the commands of routers to the engine thread, and its events back.
//
// Messages are taken as bytes and parsed here, so that garbage is told from the end of a stream.
//
// Threads:   gRPC's own and the engine thread; nothing blocks.
// Ownership: the engine thread outlives the service, and the service every stream.
// Errors:    of a stream: InvalidArgument for bytes that are no command, a command that is none or
//            comes before the stream is configured, banned ids that are not ascending within the
//            vocabulary, and a number that is in use; ResourceExhausted for too many streams, and
//            for a router that does not read; Unavailable when the worker leaves. What is wrong
//            with one sequence is that sequence's event.
#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "attention_worker/serving/engine_thread.h"
#include "common/base/mutex.h"
#include "proto/sextant/v1/attention.grpc.pb.h"

namespace sextant {

using BannedIds = std::shared_ptr<const std::vector<std::int32_t>>;

class AttentionService final
    : public v1::Attention::WithRawCallbackMethod_Run<v1::Attention::Service> {
 public:
  explicit AttentionService(std::int64_t vocab_size) : vocab_size_(vocab_size) {}

  // The engine, which is built once the cluster has said for which numeric profile; called once.
  // Until then streams end with Unavailable.
  void Use(EngineThread& engine) { engine_ = &engine; }

  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Run(
      grpc::CallbackServerContext* context) override;

  // The ids as a list that streams with equal ones share, so that their rows are sampled together.
  [[nodiscard]] absl::StatusOr<BannedIds> ShareBannedIds(absl::Span<const std::int32_t> ids);

  // Null before Use.
  [[nodiscard]] EngineThread* engine() const { return engine_; }

 private:
  std::atomic<EngineThread*> engine_ = nullptr;
  const std::int64_t vocab_size_;
  Mutex mutex_;
  BannedIds last_ ABSL_GUARDED_BY(mutex_) = std::make_shared<const std::vector<std::int32_t>>();
};

}  // namespace sextant
