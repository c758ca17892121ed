// Experts whose answers a test can tell at a glance: expert e of layer l makes 10 x + e + 100 l of
// every value x. They can be made to hold others, to fail, and to stand still.
#pragma once

#include <condition_variable>
#include <mutex>
#include <set>
#include <utility>

#include "expert_worker/dispatch/served_experts.h"

namespace sextant {

inline float FakeOutput(float x, std::int32_t expert, int layer) {
  return x * 10.0F + static_cast<float>(expert) + static_cast<float>(layer) * 100.0F;
}

class FakeExperts final : public ServedExperts {
 public:
  explicit FakeExperts(std::set<std::int32_t> held) : held_(std::move(held)) {}

  void Hold(std::set<std::int32_t> held) {
    const std::lock_guard<std::mutex> lock(mutex_);
    held_ = std::move(held);
  }
  void Fail(absl::Status status) {
    const std::lock_guard<std::mutex> lock(mutex_);
    status_ = std::move(status);
  }
  void StandStill(bool still) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      still_ = still;
    }
    changed_.notify_all();
  }
  // Until a batch is being computed (and stands still).
  void WaitForBatch(int number = 1) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return batches_ >= number; });
  }
  [[nodiscard]] int batches() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return batches_;
  }

  void Refresh() override {
    const std::lock_guard<std::mutex> lock(mutex_);
    current_ = held_;
  }
  [[nodiscard]] bool HasExperts(int layer) const override { return layer >= 1 && layer < 5; }
  [[nodiscard]] bool Holds(int, std::int32_t expert) const override {
    return current_.contains(expert);
  }
  [[nodiscard]] absl::Status Compute(const ExpertBatch& batch) override {
    std::unique_lock<std::mutex> lock(mutex_);
    ++batches_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !still_; });
    std::int64_t output = 0;
    for (const ExpertRowGroup& group : batch.groups) {
      for (const std::int32_t row : group.rows) {
        for (std::int64_t i = 0; i < batch.rows.cols; ++i) {
          batch.outputs.Row(output)[i] =
              FakeOutput(batch.rows.Row(row)[i], group.expert, batch.layer);
        }
        ++output;
      }
    }
    return status_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<std::int32_t> held_;
  std::set<std::int32_t> current_;  // since Refresh; the dispatch worker's thread alone
  absl::Status status_;
  bool still_ = false;
  int batches_ = 0;
};

}  // namespace sextant
