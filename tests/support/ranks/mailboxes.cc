#include "tests/support/ranks/mailboxes.h"

#include <gtest/gtest.h>

#include <cstring>
#include <sstream>
#include <utility>

namespace sextant {
namespace {

constexpr int kNotArrived = 0xff;

void FillGarbage(std::deque<RankMessage>& receives) {
  for (const RankMessage& receive : receives) {
    std::memset(receive.data, kNotArrived, static_cast<std::size_t>(receive.bytes));
  }
  receives.clear();
}

}  // namespace

Mailboxes::Progress Mailboxes::Begin(const MessageGroup& group) const {
  Progress progress{.sends = std::vector<std::deque<RankMessage>>(Index(size_)),
                    .receives = std::vector<std::deque<RankMessage>>(Index(size_)),
                    .captured = group.captured,
                    .left = group.sends.size() + group.receives.size()};
  for (const RankMessage& send : group.sends) progress.sends[Index(send.peer)].push_back(send);
  for (const RankMessage& receive : group.receives) {
    progress.receives[Index(receive.peer)].push_back(receive);
  }
  return progress;
}

void Mailboxes::Send(int rank, int peer, Progress& progress) {
  std::deque<RankMessage>& sends = progress.sends[Index(peer)];
  std::deque<Message>& box = Box(rank, peer);
  while (!sends.empty() && box.size() < kMessages) {
    const auto* data = static_cast<const std::byte*>(sends.front().data);
    box.push_back({{data, data + sends.front().bytes}, progress.captured});
    sends.pop_front();
    --progress.left;
    ranks_[Index(peer)].changed.notify_all();
  }
}

bool Mailboxes::Receive(int rank, int peer, Progress& progress) {
  std::deque<RankMessage>& receives = progress.receives[Index(peer)];
  std::deque<Message>& box = Box(peer, rank);
  while (!receives.empty() && !box.empty()) {
    const RankMessage& expected = receives.front();
    const Message& message = box.front();
    if (message.bytes.size() != static_cast<std::size_t>(expected.bytes)) {
      ADD_FAILURE() << "rank " << rank << " expects " << expected.bytes << " bytes of rank " << peer
                    << ", which has sent " << message.bytes.size();
      return false;
    }
    if (message.captured != progress.captured) {
      ADD_FAILURE() << "of a message from rank " << peer << " to rank " << rank
                    << " one side was captured, and the other was not";
      return false;
    }
    std::memcpy(expected.data, message.bytes.data(), message.bytes.size());
    receives.pop_front();
    box.pop_front();
    --progress.left;
    ranks_[Index(peer)].changed.notify_all();
  }
  if (ranks_[Index(peer)].aborted) {
    progress.left -= receives.size();
    FillGarbage(receives);
  }
  return true;
}

Mailboxes::End Mailboxes::Run(int rank, const MessageGroup& group) {
  Progress progress = Begin(group);
  std::unique_lock<std::mutex> lock(mutex_);
  Rank& self = ranks_[Index(rank)];
  while (!self.aborted) {
    // A rank's own messages take turns with its own receives, so that any number passes through.
    for (std::size_t before = 0; before != progress.left;) {
      before = progress.left;
      for (int peer = 0; peer < size_; ++peer) {
        Send(rank, peer, progress);
        if (!Receive(rank, peer, progress)) {
          AbortAll();
          return End::kWrong;
        }
      }
    }
    if (progress.left == 0) return End::kDone;
    self.changed.wait(lock);
  }
  for (std::deque<RankMessage>& receives : progress.receives) FillGarbage(receives);
  return End::kAborted;
}

void Mailboxes::Abort(int rank) {
  const std::lock_guard<std::mutex> lock(mutex_);
  ranks_[Index(rank)].aborted = true;
  for (Rank& other : ranks_) other.changed.notify_all();
}

void Mailboxes::AbortAll() {
  for (Rank& rank : ranks_) {
    rank.aborted = true;
    rank.changed.notify_all();
  }
}

bool Mailboxes::IsAborted(int rank) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return ranks_[Index(rank)].aborted;
}

std::string Mailboxes::Leftovers() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::ostringstream out;
  for (const Rank& rank : ranks_) {
    if (rank.aborted) return {};
  }
  for (std::size_t box = 0; box < boxes_.size(); ++box) {
    if (boxes_[box].empty()) continue;
    out << "rank " << box % Index(size_) << " never received what rank " << box / Index(size_)
        << " has sent; ";
  }
  return out.str();
}

}  // namespace sextant
