// A listener that keeps what it is told, and lets a test wait for it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "attention_worker/serving/sequence_stream.h"

namespace sextant {

class RecordingListener final : public StreamListener {
 public:
  struct Heard {
    std::map<std::uint64_t, std::vector<std::int32_t>> ids;
    std::map<std::uint64_t, absl::Status> ended;  // the last event of each sequence
    std::optional<absl::Status> end;
    int rooms = 0;
    int calls = 0;  // of OnEvents
    EngineLoad load;
  };

  void OnEvents(std::vector<StreamEvent> events, const EngineLoad& load) override {
    Change([&](Heard& heard) {
      ++heard.calls;
      heard.load = load;
      for (const StreamEvent& event : events) {
        if (event.token.ok()) heard.ids[event.sequence].push_back(event.token->id);
        if (event.finish.has_value() || !event.token.ok()) {
          heard.ended.emplace(event.sequence, event.token.status());
        }
      }
    });
  }
  void OnRoom() override {
    Change([](Heard& heard) { ++heard.rooms; });
  }
  void OnEnd(const absl::Status& status) override {
    Change([&](Heard& heard) { heard.end = status; });
  }

  // Whether `condition` came to hold within half a minute.
  bool WaitUntil(const std::function<bool(const Heard&)>& condition) {
    std::unique_lock<std::mutex> lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30), [&] { return condition(heard_); });
  }
  Heard heard() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return heard_;
  }

 private:
  template <typename Function>
  void Change(const Function& change) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      change(heard_);
    }
    changed_.notify_all();
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Heard heard_;
};

}  // namespace sextant
