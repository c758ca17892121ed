// A call that is answered from every status of the cluster that comes: Watch, and the progress of
// changes.
//
// A client that reads slowly misses some in between, and has the newest one when it reads.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "common/base/mutex.h"
#include "common/rpc/status.h"
#include "router/coordinator/status_board.h"

namespace sextant {

template <typename Message>
class WatchReactor final : public grpc::ServerWriteReactor<Message>,
                           public std::enable_shared_from_this<WatchReactor<Message>> {
 public:
  // What to write for a status; nothing to stay silent. `last`: the call ends after it, with `end`.
  struct Step {
    std::optional<Message> message{};
    bool last = false;
    absl::Status end{};
  };
  using Translate = std::function<Step(const v1::ClusterStatus& status)>;

  // Owns itself until gRPC is done with it. `count` is raised while the call runs; it and the board
  // outlive the server. `most_waiting` messages wait for a slow client, and then the oldest goes.
  static std::shared_ptr<WatchReactor> Make(StatusBoard& board, std::atomic<int>& count,
                                            std::size_t most_waiting) {
    std::shared_ptr<WatchReactor> reactor(new WatchReactor(board, count, most_waiting));
    reactor->self_ = reactor;
    return reactor;
  }
  ~WatchReactor() override { --count_; }

  // Written before everything else; before Start.
  void Say(Message message) {
    const MutexLock lock(mutex_);
    next_.push_back(std::move(message));
  }
  // Begins, or ends with an error; later than the call's end it does nothing. `translate` is called
  // with one status after another, until its last step.
  void Start(Translate translate) {
    const std::uint64_t watch =
        board_.Watch([self = this->shared_from_this(), translate = std::move(translate)](
                         const StatusBoard::Snapshot& status) { self->Take(*status, translate); });
    {
      const MutexLock lock(mutex_);
      watch_ = watch;
      if (!done_) return;
    }
    board_.Forget(watch);
  }
  void Fail(const absl::Status& status) {
    const MutexLock lock(mutex_);
    FinishWith(status);
  }

 private:
  WatchReactor(StatusBoard& board, std::atomic<int>& count, std::size_t most_waiting)
      : board_(board), count_(count), most_waiting_(most_waiting) {
    ++count_;
  }

  void Take(const v1::ClusterStatus& status, const Translate& translate) {
    const MutexLock lock(mutex_);
    if (finished_ || last_) return;
    Step step = translate(status);
    last_ = step.last;
    end_ = step.end;
    if (step.message.has_value()) {
      if (next_.size() == most_waiting_) next_.pop_front();
      next_.push_back(*std::move(step.message));
    }
    WriteNext();
  }

  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (writing_ || finished_) return;
    if (!next_.empty()) {
      current_ = std::move(next_.front());
      next_.pop_front();
      writing_ = true;
      this->StartWrite(&current_);
    } else if (last_) {
      FinishWith(end_);
    }
  }

  void FinishWith(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (finished_) return;
    finished_ = true;
    this->Finish(ToGrpc(status));
  }

  void OnWriteDone(bool ok) override {
    const MutexLock lock(mutex_);
    writing_ = false;
    if (ok) {
      WriteNext();
    } else {
      FinishWith(absl::CancelledError("the client has gone"));
    }
  }
  void OnCancel() override {
    const MutexLock lock(mutex_);
    FinishWith(absl::CancelledError("the client has gone"));
  }
  void OnDone() override {
    const std::shared_ptr<WatchReactor> last = std::move(self_);
    std::uint64_t watch = 0;
    {
      const MutexLock lock(mutex_);
      done_ = true;
      watch = watch_;
    }
    if (watch != 0) board_.Forget(watch);
  }

  StatusBoard& board_;
  std::atomic<int>& count_;
  const std::size_t most_waiting_;
  std::shared_ptr<WatchReactor> self_;

  Mutex mutex_;
  std::uint64_t watch_ ABSL_GUARDED_BY(mutex_) = 0;
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
  Message current_ ABSL_GUARDED_BY(mutex_);  // being written
  std::deque<Message> next_ ABSL_GUARDED_BY(mutex_);
  absl::Status end_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool last_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace sextant
