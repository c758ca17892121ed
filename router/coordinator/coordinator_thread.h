// The coordinator on a thread of its own, fed by a bounded queue.
//
//   CoordinatorThread coordinator(config, queue_status);
//   coordinator.Subscribe(listener);   // before Start
//   coordinator.Start();
//   ... streams call Open, Receive, Close ...
//   coordinator.Stop();                // before the listener's owner goes
//
// Threads:   any thread calls Open, Receive, Close, their namesakes for hosts, Drain, Scale,
//            Rebalance and SetPlacement; none of them blocks. A stream's own calls must come in
//            order. CoordinatorStream's functions are called by the coordinator's thread, must not
//            block, and may still be called while Close is called by another thread, so a stream
//            shares the ownership of itself.
// Errors:    Receive is false when the queue is full or the thread has stopped: end the stream.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/mutex.h"
#include "common/concurrency/bounded_queue.h"
#include "router/coordinator/cluster_metrics.h"
#include "router/coordinator/coordinator.h"
#include "router/coordinator/status_board.h"

namespace sextant {

// The way back to one peer.
template <typename Message>
class PeerStream {
 public:
  virtual ~PeerStream() = default;

  // False when too much is waiting to be sent.
  virtual bool Send(const Message& message) = 0;
  virtual void End(const absl::Status& status) = 0;
};
using CoordinatorStream = PeerStream<v1::CoordinatorMessage>;  // a worker's
using HostStream = PeerStream<v1::HostOrders>;

class CoordinatorThread final : public AttentionDirectory {
 public:
  // `queue_status` fills that part of the status; called by the coordinator's thread.
  // `metrics`, if there are any, outlive it.
  CoordinatorThread(CoordinatorConfig config, std::function<v1::QueueStatus()> queue_status,
                    Metrics* metrics = nullptr);
  ~CoordinatorThread() override;

  void Subscribe(std::function<void(const std::vector<AttentionWorkerInfo>&)> listener) override;
  void SubscribeToCover(std::function<void(const ExpertCover&)> listener) override;
  void Start();
  // Ends every stream with UNAVAILABLE, so that workers look for the next router.
  void Stop();

  [[nodiscard]] StreamId Open(std::shared_ptr<CoordinatorStream> stream);
  [[nodiscard]] bool Receive(StreamId stream, v1::WorkerMessage message);
  void Close(StreamId stream);

  [[nodiscard]] StreamId OpenHost(std::shared_ptr<HostStream> stream);
  [[nodiscard]] bool ReceiveHost(StreamId stream, v1::HostReport report);
  void CloseHost(StreamId stream) { Close(stream); }

  // `done` is called by the coordinator's thread; Unavailable at once when it takes no more.
  void Drain(std::string worker_id, std::function<void(const absl::Status&)> done);
  struct StartedChange {
    std::uint64_t number = 0;  // 0 for a dry run
    v1::ChangeProgress plan;
  };
  using OnStarted = std::function<void(const absl::StatusOr<StartedChange>&)>;
  void Scale(v1::ScaleRequest request, OnStarted done);
  void Rebalance(bool dry_run, OnStarted done);

  // Taken up within moments; of several, the last one.
  void SetPlacement(const PlacementSettings& settings);

  [[nodiscard]] StatusBoard& board() { return board_; }

 private:
  class Output;
  using Work = std::function<void()>;

  void Run();
  bool Push(Work work);
  void CloseMissed();
  void TakeSettings();
  void Forget(StreamId stream);
  void PublishIfDue();

  void StartChange(std::function<absl::StatusOr<v1::ChangeProgress>(std::uint64_t& number)> change,
                   OnStarted done);

  const std::function<v1::QueueStatus()> queue_status_;
  const std::unique_ptr<ClusterMetrics> metrics_;  // null: nobody counts
  RealClock clock_;
  std::unique_ptr<Output> output_;
  Coordinator coordinator_;  // the thread's
  StatusBoard board_;
  BoundedQueue<Work> work_;
  std::atomic<StreamId> streams_{0};
  std::thread thread_;

  Mutex mutex_;
  // Streams whose end found the queue full: it must not be lost.
  std::vector<StreamId> closed_ ABSL_GUARDED_BY(mutex_);
  std::optional<PlacementSettings> settings_ ABSL_GUARDED_BY(mutex_);  // not yet taken up

  // The thread's.
  std::uint64_t published_changes_ = 0;
  absl::Time published_at_ = absl::InfinitePast();
};

}  // namespace sextant
