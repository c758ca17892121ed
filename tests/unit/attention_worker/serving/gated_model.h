// A model whose steps wait at a gate while it is closed, so that a test decides what happens
// between two steps.
#pragma once

#include <condition_variable>
#include <mutex>

#include "attention_worker/model/step_model.h"

namespace sextant {

class GatedModel final : public StepModel {
 public:
  explicit GatedModel(StepModel& model) : model_(model) {}

  [[nodiscard]] absl::Status Forward(absl::Span<const SequenceSlice> slices) override {
    std::unique_lock<std::mutex> lock(mutex_);
    ++arrived_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !closed_ || passes_ > 0; });
    if (closed_) --passes_;
    absl::Status failure = std::move(failure_);
    failure_ = absl::OkStatus();
    lock.unlock();
    if (!failure.ok()) return failure;
    return model_.Forward(slices);
  }
  [[nodiscard]] absl::StatusOr<MatrixView<const float>> Logits() override {
    return model_.Logits();
  }
  [[nodiscard]] absl::Status Sample(const SampleStep& step) override { return model_.Sample(step); }

  void Close() {
    Change([this] { closed_ = true; });
  }
  void Open() {
    Change([this] { closed_ = false; });
  }
  void LetPass(int steps) {
    Change([this, steps] { passes_ += steps; });
  }
  // The next step that passes fails.
  void FailNext(absl::Status status) {
    Change([this, &status] { failure_ = std::move(status); });
  }
  // Until a step is at the gate for the `count`-th time in all.
  void WaitForArrivals(int count) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this, count] { return arrived_ >= count; });
  }
  [[nodiscard]] int arrivals() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return arrived_;
  }

 private:
  template <typename Function>
  void Change(const Function& change) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      change();
    }
    changed_.notify_all();
  }

  StepModel& model_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool closed_ = false;
  int passes_ = 0;
  int arrived_ = 0;
  absl::Status failure_;
};

}  // namespace sextant
