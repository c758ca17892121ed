// The engine thread's side of a stream: which of the engine's sequences are its own, and what has
// to be told about them.
//
// Threads: the engine thread makes every call.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "attention_worker/engine/engine.h"
#include "attention_worker/serving/sequence_stream.h"

namespace sextant {

class StreamSession {
 public:
  StreamSession(Engine& engine, std::shared_ptr<SequenceStream> stream,
                std::shared_ptr<StreamListener> listener)
      : engine_(engine), stream_(std::move(stream)), listener_(std::move(listener)) {}
  ~StreamSession();
  StreamSession(const StreamSession&) = delete;
  StreamSession& operator=(const StreamSession&) = delete;

  // Carries out the commands that have come. New sequences are refused with `refusal` unless it is
  // OK. False when the session is over: the caller drops it, and its sequences go with it.
  [[nodiscard]] bool ServeCommands(const absl::Status& refusal);

  // Notes the event if it is of one of its sequences; else gives it back by returning false.
  [[nodiscard]] bool Take(TokenEvent& event);

  // Tells what has been noted. False when the session is over.
  [[nodiscard]] bool Deliver(const EngineLoad& load);

  void End(const absl::Status& status) { listener_->OnEnd(status); }
  [[nodiscard]] std::size_t num_sequences() const { return by_number_.size(); }

 private:
  struct Running {
    std::int64_t id = 0;  // the engine's number
    bool with_logprobs = false;
  };

  // Errors: InvalidArgument for a command that makes the stream meaningless.
  absl::Status Start(StartCommand command, const absl::Status& refusal);
  void Cancel(std::uint64_t number);

  Engine& engine_;
  std::shared_ptr<SequenceStream> stream_;
  std::shared_ptr<StreamListener> listener_;
  absl::flat_hash_map<std::uint64_t, Running> by_number_;          // by the stream's number
  absl::flat_hash_map<std::int64_t, std::uint64_t> number_of_id_;  // and back
  std::vector<StreamEvent> events_;                                // since the last delivery
  bool ended_ = false;                                             // no command follows
};

}  // namespace sextant
