// One router's stream of sequences, as the thread that reads its commands and the engine thread
// share it.
//
// Commands wait in an inbox of limited length; who finds it full keeps the command and is told by
// OnRoom when to try again. So a router that floods its stream stops only its own stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "attention_worker/engine/generation_request.h"
#include "attention_worker/serving/idle_wait.h"
#include "common/base/mutex.h"

namespace sextant {

struct StartCommand {
  std::uint64_t sequence = 0;  // the stream's own number for it
  GenerationRequest request;
};
struct CancelCommand {
  std::uint64_t sequence = 0;
};
using StreamCommand = std::variant<StartCommand, CancelCommand>;

struct StreamEvent {
  std::uint64_t sequence = 0;
  absl::StatusOr<SampledToken> token;  // an error ends the sequence
  bool with_logprobs = false;          // the request asked for them
  std::optional<FinishReason> finish;
  std::int64_t cached_prompt_tokens = 0;  // with the first event
};

// What the scheduler of the cluster has to know of an engine.
struct EngineLoad {
  std::int64_t running = 0;
  std::int64_t waiting = 0;  // that do not fit; not those whose turn is the next step
  std::int64_t free_blocks = 0;
};

// Where the events of a stream go. Called by the engine thread, which must not be kept waiting.
class StreamListener {
 public:
  virtual ~StreamListener() = default;

  // All that one step has produced for the stream's sequences; at least one event.
  virtual void OnEvents(std::vector<StreamEvent> events, const EngineLoad& load) = 0;
  // The inbox, which was full, has room again.
  virtual void OnRoom() = 0;
  // The last call. OK: the commands had ended, and now the last sequence has. InvalidArgument: a
  // command made no sense. Unavailable: the engine stops.
  virtual void OnEnd(const absl::Status& status) = 0;
};

class SequenceStream {
 public:
  static constexpr std::size_t kMaxCommands = 256;

  // Where the engine thread waits.
  explicit SequenceStream(std::shared_ptr<IdleWait> engine) : engine_(std::move(engine)) {}

  // Any thread. False when the inbox is full; `command` is then untouched, and OnRoom follows.
  [[nodiscard]] bool TryPush(StreamCommand&& command);
  // No command follows: the stream ends with its last sequence.
  void EndCommands();
  // Nobody listens any more: its sequences are cancelled before the next step, and the listener
  // is dropped without a further call.
  void Abandon();

  struct Inbox {
    std::vector<StreamCommand> commands;
    bool ended = false;
    bool abandoned = false;
    bool was_full = false;  // and somebody has been told so
  };
  // Engine thread: everything that has come since the last time.
  [[nodiscard]] Inbox Take();

 private:
  const std::shared_ptr<IdleWait> engine_;
  Mutex mutex_;
  Inbox inbox_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sextant
