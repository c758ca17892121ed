// The thread that computes: takes what waits for one layer, whoever sent it, checks it, computes it
// as one grouped feed-forward, and answers each dispatch.
//
// Errors:    are answers to the dispatch at fault: InvalidArgument for a layer, an expert, a hidden
//            size or an element type that the model does not have; FailedPrecondition for an expert
//            that is not held here; Internal when computing fails. Other dispatches of the same
//            batch do not notice.
// Threads:   Push, TakeLoad and counts may be called from any thread; the callbacks of
//            ServedExperts and the answers come from the worker's own.
// Shutdown:  Stop, or the destructor: pushes are refused, what waits is computed, the thread ends.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "common/tensor/dtype.h"
#include "expert_worker/dispatch/dispatch_observer.h"
#include "expert_worker/dispatch/dispatch_queue.h"
#include "expert_worker/dispatch/merged_batch.h"
#include "expert_worker/dispatch/served_experts.h"

namespace sextant {

// What the worker has done since it was made.
struct DispatchCounts {
  std::int64_t dispatches = 0;  // answered, in whatever way
  std::int64_t batches = 0;     // computed; fewer than dispatches where they were merged
  std::int64_t rows = 0;        // output rows
  std::int64_t refused = 0;     // answered with an error
  std::int64_t waiting = 0;     // now
};

class DispatchWorker {
 public:
  struct Options {
    std::int32_t num_experts = 0;  // routed, per layer
    std::int64_t hidden = 0;
    DType type = DType::kBf16;  // of rows on the wire
    std::size_t queue_capacity = 1024;
    DispatchObserver* observer = nullptr;  // outlives the worker; null: nobody
  };

  // `experts` outlives the worker.
  DispatchWorker(const Options& options, ServedExperts& experts);
  ~DispatchWorker();
  DispatchWorker(const DispatchWorker&) = delete;
  DispatchWorker& operator=(const DispatchWorker&) = delete;

  // False when too many wait or after Stop; `dispatch` is then untouched.
  [[nodiscard]] bool Push(PendingDispatch&& dispatch) {
    return queue_.TryPush(std::move(dispatch));
  }

  void Stop();

  // Output rows by expert since the last call.
  [[nodiscard]] std::vector<std::int64_t> TakeLoad();

  [[nodiscard]] DispatchCounts counts() const;

 private:
  void Run();
  void Compute(std::vector<PendingDispatch> dispatches);
  [[nodiscard]] absl::Status Check(const DispatchHeader& header) const;
  void Refuse(const PendingDispatch& dispatch, const absl::Status& why);

  const Options options_;
  ServedExperts& experts_;
  DispatchQueue queue_;
  MergedBatch merged_;  // the thread's

  std::unique_ptr<std::atomic<std::int64_t>[]> load_;  // [E]
  std::atomic<std::int64_t> dispatches_ = 0;
  std::atomic<std::int64_t> batches_ = 0;
  std::atomic<std::int64_t> rows_ = 0;
  std::atomic<std::int64_t> refused_ = 0;

  std::thread thread_;  // the last member: it uses all others
};

}  // namespace sextant
