// One streaming call: pieces in, messages out, one of them under way at a time.
//
// What comes while a message is on its way joins the next one, so a client that reads slowly, or
// not at all, holds at most what its own answers have, and holds up nobody.
//
// Threads:   Send and End come from the domain's thread, the reactions from gRPC's.
// Ownership: it holds itself until gRPC is done with the call.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/mutex.h"
#include "proto/sextant/v1/inference.pb.h"
#include "router/generation/piece.h"

namespace sextant::router {

class AnswerStream final : public grpc::ServerWriteReactor<v1::GenerateResponse>,
                           public AnswerSink {
 public:
  // `on_cancel` is called once if the client goes before the end.
  [[nodiscard]] static std::shared_ptr<AnswerStream> Make(std::function<void()> on_cancel);

  // Before the first piece.
  void SetRequestId(const std::string& request_id) { request_id_ = request_id; }

  [[nodiscard]] bool Gone() const override { return gone_; }
  void Send(Piece piece) override;
  void End(absl::Status status) override;

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  explicit AnswerStream(std::function<void()> on_cancel) : on_cancel_(std::move(on_cancel)) {}

  enum class Next : std::uint8_t { kNothing, kWrite, kWriteLast, kFinish };
  // Moves what is to be done next into message_ and final_. The caller then does it without the
  // lock, for gRPC may run the reaction before the start returns.
  [[nodiscard]] Next TakeNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Do(Next next);

  const std::function<void()> on_cancel_;
  std::string request_id_;
  std::shared_ptr<AnswerStream> self_;
  std::atomic<bool> gone_ = false;
  v1::GenerateResponse message_;  // owned by the operation under way
  grpc::Status final_;

  Mutex mutex_;
  std::vector<Piece> pending_ ABSL_GUARDED_BY(mutex_);  // at most one for each answer
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
  bool busy_ ABSL_GUARDED_BY(mutex_) = false;  // an operation is under way, or it has finished
};

}  // namespace sextant::router
