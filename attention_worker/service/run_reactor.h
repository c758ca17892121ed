// One Run stream: between gRPC's callbacks and the engine thread's.
//
// Reading stops while the engine's inbox is full. One write is outstanding; what comes meanwhile
// is gathered into the next message. The call is finished when no write is outstanding.
//
// Ownership: gRPC until OnDone, and the engine thread while it has the stream.
// Threads:   any of gRPC's, and the engine thread.
#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "attention_worker/service/attention_service.h"
#include "attention_worker/serving/sequence_stream.h"
#include "common/base/mutex.h"
#include "proto/sextant/v1/attention.pb.h"

namespace sextant {

class RunReactor final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                         public StreamListener {
 public:
  // Opens a stream of the engine's and begins to read.
  [[nodiscard]] static RunReactor* Start(AttentionService& service);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  void OnEvents(std::vector<StreamEvent> events, const EngineLoad& load) override;
  void OnRoom() override;
  void OnEnd(const absl::Status& status) override;

 private:
  // Events that wait for the router to read; more, and it is taken for dead.
  static constexpr int kMaxPendingEvents = 1 << 16;

  explicit RunReactor(AttentionService& service) : service_(service) {}

  // Errors: what is wrong with the stream, which then ends.
  absl::Status Handle(v1::AttentionCommand& command) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Configure(const v1::ConfigureStream& configure)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void StartSequence(const v1::StartSequence& start) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Push(StreamCommand command) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ReadNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WritePending() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Ends the call once what is pending has been written.
  void EndWith(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Ends it without, and forgets its sequences.
  void Break(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  AttentionService& service_;
  std::shared_ptr<RunReactor> self_;  // until OnDone
  grpc::ByteBuffer in_;
  grpc::ByteBuffer out_;

  Mutex mutex_;
  std::shared_ptr<SequenceStream> stream_ ABSL_GUARDED_BY(mutex_);  // null: refused
  BannedIds banned_ids_ ABSL_GUARDED_BY(mutex_);                    // null: not yet configured
  std::optional<StreamCommand> held_ ABSL_GUARDED_BY(mutex_);       // found the inbox full
  v1::AttentionEvents pending_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sextant
