// A client that asks the same again and again beside a test: it must get the same every time.
//
// Threads:   one of its own from the constructor to Stop or the destructor; the others' may ask.
#pragma once

#include <atomic>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "common/base/mutex.h"
#include "proto/sextant/v1/inference.pb.h"

namespace sextant {

class Bystander {
 public:
  Bystander(std::string target, v1::GenerateRequest request)
      : target_(std::move(target)), request_(std::move(request)), thread_([this] { Run(); }) {}
  ~Bystander() { Stop(); }

  // Answers so far.
  [[nodiscard]] int answers() const { return answers_; }
  // The first thing that went wrong: an error, or an answer unlike the first one.
  [[nodiscard]] absl::Status problem() const {
    const MutexLock lock(mutex_);
    return problem_;
  }
  // Waits for one more whole answer; false when something went wrong, or none has come in time.
  [[nodiscard]] bool IsServed() const;
  void Stop() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
  }

 private:
  void Run();

  const std::string target_;
  const v1::GenerateRequest request_;
  std::atomic<int> answers_ = 0;
  std::atomic<bool> stopping_ = false;
  mutable Mutex mutex_;
  absl::Status problem_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;  // the last member: it uses all others
};

}  // namespace sextant
