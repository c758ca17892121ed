#include "attention_worker/serving/sequence_stream.h"

#include <utility>

namespace sextant {

bool SequenceStream::TryPush(StreamCommand&& command) {
  {
    const MutexLock lock(mutex_);
    if (inbox_.commands.size() >= kMaxCommands) {
      inbox_.was_full = true;
      return false;
    }
    inbox_.commands.push_back(std::move(command));
  }
  engine_->Wake();
  return true;
}

void SequenceStream::EndCommands() {
  {
    const MutexLock lock(mutex_);
    inbox_.ended = true;
  }
  engine_->Wake();
}

void SequenceStream::Abandon() {
  {
    const MutexLock lock(mutex_);
    inbox_.abandoned = true;
  }
  engine_->Wake();
}

SequenceStream::Inbox SequenceStream::Take() {
  const MutexLock lock(mutex_);
  Inbox taken = std::move(inbox_);
  inbox_ = {.commands = {}, .ended = taken.ended, .abandoned = taken.abandoned, .was_full = false};
  return taken;
}

}  // namespace sextant
