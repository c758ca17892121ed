// Where messages between the ranks of a FakeNetwork lie, and where ranks wait for each other.
//
// Order:     first in, first out for each pair of ranks; a mailbox holds kMessages at most.
// Threads:   any. One group at a time for each rank.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "common/exchange/ranks/communicator.h"

namespace sextant {

// What one Exchange sends and receives. By peers, in the order of the call.
struct MessageGroup {
  std::vector<RankMessage> sends;
  std::vector<RankMessage> receives;
  bool captured = false;
};

class Mailboxes {
 public:
  static constexpr std::size_t kMessages = 1;
  enum class End : std::uint8_t { kDone, kAborted, kWrong };

  explicit Mailboxes(int size)
      : size_(size), ranks_(Index(size)), boxes_(Index(size) * Index(size)) {}

  [[nodiscard]] int size() const { return size_; }

  // Copies sends in and receives out until all are done, or the rank is aborted: the receives that
  // are left are then filled with 0xff, as are those of a peer that was aborted before it sent
  // them. A message that is not what the receiver expects fails the test and aborts all ranks.
  End Run(int rank, const MessageGroup& group);

  void Abort(int rank);
  [[nodiscard]] bool IsAborted(int rank) const;

  // What was sent and never received, where nobody was aborted; empty: nothing.
  [[nodiscard]] std::string Leftovers() const;

 private:
  struct Message {
    std::vector<std::byte> bytes;
    bool captured;
  };
  struct Rank {
    std::condition_variable changed;  // a mailbox from or to it, or aborted
    bool aborted = false;
  };
  // What is left of a group.
  struct Progress {
    std::vector<std::deque<RankMessage>> sends;     // [size]
    std::vector<std::deque<RankMessage>> receives;  // [size]
    bool captured;
    std::size_t left;
  };

  static std::size_t Index(int rank) { return static_cast<std::size_t>(rank); }
  std::deque<Message>& Box(int from, int to) {
    return boxes_[Index(from) * Index(size_) + Index(to)];
  }
  [[nodiscard]] Progress Begin(const MessageGroup& group) const;
  // The following hold the mutex.
  void Send(int rank, int peer, Progress& progress);
  // False: a message is not what is expected.
  bool Receive(int rank, int peer, Progress& progress);
  void AbortAll();

  const int size_;
  mutable std::mutex mutex_;
  std::vector<Rank> ranks_;                 // [size]
  std::vector<std::deque<Message>> boxes_;  // [size, size], from and to
};

}  // namespace sextant
