// One Attend stream, as the server sees it: between a rank and the ConductorHost.
//
// Until the epoch is conducted here nothing is read after the hello: flow control holds the rank.
// One message is being written; the next one is taken when it is needed.
//
// Ownership: gRPC until OnDone, and the host while the rank is there.
// Threads:   any.
#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <functional>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "common/base/mutex.h"
#include "common/exchange/ranks/conductor_host.h"

namespace sextant {

class AttendReactor final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                            public RankListener {
 public:
  // Begins to read. `host` outlives the call; `on_end` is called once, when the call has ended.
  [[nodiscard]] static AttendReactor* Start(ConductorHost& host, std::function<void()> on_end);

  void OnNews() override;

 private:
  AttendReactor(ConductorHost& host, std::function<void()> on_end)
      : host_(host), on_end_(std::move(on_end)) {}

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  // What the rank has said. Without the lock: the host calls OnNews meanwhile.
  [[nodiscard]] absl::Status Receive();
  [[nodiscard]] absl::Status Come(const RankSeat& seat, std::uint64_t heard);
  // Begins all that can be done now.
  void Act() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeNews() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EndWith(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  ConductorHost& host_;
  const std::function<void()> on_end_;
  std::shared_ptr<AttendReactor> self_;  // until OnDone
  grpc::ByteBuffer in_;                  // of the read under way
  grpc::ByteBuffer out_;                 // of the write under way

  Mutex mutex_;
  std::optional<RankSeat> seat_ ABSL_GUARDED_BY(mutex_);  // none: it has not come
  bool conducted_ ABSL_GUARDED_BY(mutex_) = false;
  bool told_last_ ABSL_GUARDED_BY(mutex_) = false;
  bool heard_last_ ABSL_GUARDED_BY(mutex_) = false;
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sextant
