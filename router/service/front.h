// The router's front, put together: the thread that owns the dispatcher, the threads that read what
// clients send, and the connections to attention workers.
//
// Threads:   everything here may be called from any thread.
// Shutdown:  StopAdmission; when requests() is 0, or patience ends, the server (which cancels the
//            calls that are left); then Stop or the destructor.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/concurrency/clock.h"
#include "common/observability/log.h"
#include "common/observability/metrics.h"
#include "router/coordinator/attention_directory.h"
#include "router/generation/dispatcher.h"
#include "router/generation/request_metrics.h"
#include "router/generation/request_reader.h"
#include "router/generation/task_thread.h"
#include "router/generation/work_pool.h"
#include "router/model_text/model_text.h"
#include "router/service/grpc_attention_peers.h"

namespace sextant::router {

class Front {
 public:
  struct Options {
    RequestReader::Options model;
    std::int64_t queue_capacity = 256;
    absl::Duration wait_for_worker = absl::Seconds(30);  // of requests without a deadline
    int reading_threads = 2;
    std::string own_host_id;
    // Whether an attention worker is ready; told after every change, in the dispatcher's thread.
    std::function<void(bool)> on_serving = [](bool) {};
  };

  // All outlive the front.
  Front(Options options, const ModelText& text, Metrics& metrics, const Logger& log);
  ~Front();
  Front(const Front&) = delete;
  Front& operator=(const Front&) = delete;

  [[nodiscard]] const RequestReader& reader() const { return reader_; }
  [[nodiscard]] std::uint64_t NextHandle() { return ++last_handle_; }

  // Runs `read` in a reading thread and hands on what it gives; its errors end the call.
  // ResourceExhausted when too many are waiting to be read: `read` has not been taken.
  using Read = absl::AnyInvocable<absl::StatusOr<PreparedRequest>()>;
  [[nodiscard]] absl::Status Submit(Read read, std::shared_ptr<AnswerSink> sink,
                                    std::function<void(const std::string& request_id)> on_read);
  // Runs any other slow work of a call in a reading thread; the same error.
  [[nodiscard]] absl::Status TryPost(WorkPool::Work work);
  void Cancel(const std::string& request_id, absl::AnyInvocable<void(absl::Status)> done);
  void Abandon(std::uint64_t handle);

  void SetWorkers(std::vector<AttentionWorkerInfo> listed);
  void SetCover(ExpertCover cover);

  // New requests get Unavailable from now on.
  void StopAdmission();
  void Stop();

  // As they were a moment ago.
  [[nodiscard]] std::int64_t queued() const { return queued_; }
  [[nodiscard]] std::int64_t running() const { return running_; }
  [[nodiscard]] std::int64_t requests() const { return requests_; }
  [[nodiscard]] std::int64_t queue_capacity() const { return queue_capacity_; }

 private:
  [[nodiscard]] absl::Time Tick();

  const Logger& log_;
  const std::int64_t queue_capacity_;
  RealClock clock_;
  RequestMetrics metrics_;
  RequestReader reader_;
  std::atomic<std::uint64_t> last_handle_ = 0;
  std::atomic<std::int64_t> queued_ = 0;
  std::atomic<std::int64_t> running_ = 0;
  std::atomic<std::int64_t> requests_ = 0;
  std::atomic<std::int64_t> retry_delay_ms_ = 1000;
  // In the order of construction: the peers report to the thread, the thread owns the dispatcher.
  std::unique_ptr<GrpcAttentionPeers> peers_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::unique_ptr<TaskThread> thread_;
  std::unique_ptr<WorkPool> reading_;
};

}  // namespace sextant::router
