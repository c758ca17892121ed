// An Attention service that computes nothing: token i of a sequence is `first_id + i % ids`, so
// that a test knows what must come, also of a sequence that goes on from elsewhere.
#pragma once

#include <grpcpp/server_context.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <thread>

#include "proto/sextant/v1/attention.grpc.pb.h"

namespace sextant {

class FakeAttentionWorker final : public v1::Attention::Service {
 public:
  explicit FakeAttentionWorker(std::int32_t first_id = 10, std::int32_t ids = 50)
      : first_id_(first_id), ids_(ids) {}

  // Pause between two steps.
  std::atomic<int> step_microseconds = 100;
  std::atomic<bool> broken = false;   // ends its streams
  std::atomic<bool> stamped = false;  // ids are NowMicros() instead
  std::atomic<int> running = 0;
  std::atomic<int> started = 0;
  std::atomic<int> replayed = 0;  // of those, with generated_ids

  // Of the steady clock, in 31 bits.
  static std::int32_t NowMicros() {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return static_cast<std::int32_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(now).count() & 0x7FFFFFFF);
  }

  grpc::Status Run(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<v1::AttentionEvents, v1::AttentionCommand>* stream) override {
    std::mutex mutex;
    std::map<std::uint64_t, Sequence> sequences;
    std::atomic<bool> ended = false;
    std::atomic<bool> configured = false;
    std::thread reader([&] {
      v1::AttentionCommand command;
      while (stream->Read(&command)) {
        const std::lock_guard<std::mutex> lock(mutex);
        if (command.has_configure()) configured = true;
        if (command.has_cancel()) sequences.erase(command.cancel().sequence());
        if (command.has_start()) {
          ++started;
          if (command.start().generated_ids_size() > 0) ++replayed;
          sequences[command.start().sequence()] = {command.start().generated_ids_size(),
                                                   command.start().max_tokens()};
        }
        running = static_cast<int>(sequences.size());
      }
      ended = true;
    });
    bool answered = false;
    while (!ended && !broken && !context->IsCancelled()) {
      v1::AttentionEvents events;
      {
        const std::lock_guard<std::mutex> lock(mutex);
        Step(sequences, events);
        running = static_cast<int>(sequences.size());
      }
      events.mutable_load()->set_free_blocks(1 << 20);
      const bool first = configured && !answered;
      if (first) answered = true;
      if ((first || events.events_size() > 0) && !stream->Write(events)) break;
      std::this_thread::sleep_for(std::chrono::microseconds(step_microseconds.load()));
    }
    context->TryCancel();
    reader.join();
    return grpc::Status::OK;
  }

 private:
  struct Sequence {
    std::int64_t generated = 0;
    std::int64_t max_tokens = 0;
  };

  void Step(std::map<std::uint64_t, Sequence>& sequences, v1::AttentionEvents& events) const {
    for (auto entry = sequences.begin(); entry != sequences.end();) {
      Sequence& sequence = entry->second;
      v1::SequenceEvent& event = *events.add_events();
      event.set_sequence(entry->first);
      event.mutable_token()->set_id(
          stamped ? NowMicros() : first_id_ + static_cast<std::int32_t>(sequence.generated % ids_));
      const bool finished = ++sequence.generated >= sequence.max_tokens;
      event.mutable_token()->set_finished(finished);
      entry = finished ? sequences.erase(entry) : std::next(entry);
    }
  }

  const std::int32_t first_id_;
  const std::int32_t ids_;
};

}  // namespace sextant
