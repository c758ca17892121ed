// The ranks of a test as processes that share a GPU, which NCCL allows where each says that it is a
// host of its own (NCCL_HOSTID); messages then travel over sockets of the loopback device.
//
// They are forked, so the process of the test must not touch CUDA itself.
#pragma once

#include <gtest/gtest.h>
#include <pthread.h>

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"

namespace sextant {

// Memory that all ranks see.
class Meeting {
 public:
  // Waits until every rank has come. Not for ranks that others have outlived.
  void Wait();

  // A text that one rank writes before a Wait and others read after it.
  void Write(absl::string_view text);
  [[nodiscard]] std::string Read() const { return {text_, length_}; }

 private:
  friend class MeetingMemory;
  explicit Meeting(int ranks);

  pthread_barrier_t barrier_;
  std::size_t length_ = 0;
  char text_[1024] = {};
};

// Calls `body` in a process for each rank in [0, size); a process ends well if no assertion in it
// fails and it is not killed. When one ends badly the others are killed. `said` gets what the
// meeting has read last.
[[nodiscard]] testing::AssertionResult RunRankProcesses(
    int size, absl::FunctionRef<void(int rank, Meeting& meeting)> body,
    std::string* said = nullptr);

// Ends the process of a rank on the spot, as if it had crashed, and ends it well.
[[noreturn]] void Die();

}  // namespace sextant
