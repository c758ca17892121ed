// One stream of Cluster.Join: between gRPC's threads and the coordinator's.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <deque>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "common/base/mutex.h"
#include "proto/sextant/v1/cluster.pb.h"
#include "router/coordinator/coordinator_thread.h"

namespace sextant {

// Owns itself until gRPC is done with it; the coordinator shares it until it has ended the stream.
class JoinReactor final : public grpc::ServerBidiReactor<v1::WorkerMessage, v1::CoordinatorMessage>,
                          public CoordinatorStream {
 public:
  // `coordinator` outlives the server.
  static JoinReactor* Open(CoordinatorThread& coordinator, grpc::CallbackServerContext& context);

  // CoordinatorStream
  bool Send(const v1::CoordinatorMessage& message) override;
  void End(const absl::Status& status) override;

 private:
  JoinReactor(CoordinatorThread& coordinator, grpc::CallbackServerContext& context)
      : coordinator_(coordinator), context_(context) {}

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone() override;

  void FinishIfIdle() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  CoordinatorThread& coordinator_;
  grpc::CallbackServerContext& context_;
  StreamId stream_ = 0;
  v1::WorkerMessage incoming_;
  std::shared_ptr<JoinReactor> self_;

  Mutex mutex_;
  std::deque<v1::CoordinatorMessage> outgoing_ ABSL_GUARDED_BY(mutex_);  // front: being written
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace sextant
