#include "router/tokenizer/stop_matcher.h"

#include <algorithm>
#include <deque>

namespace sextant {

StopMatcher::StopMatcher(const std::vector<std::string>& stop_strings) : nodes_(1) {
  for (const std::string& stop : stop_strings) {
    std::int32_t node = 0;
    for (const char c : stop) {
      const auto byte = static_cast<unsigned char>(c);
      std::int32_t child = Child(node, byte);
      if (child < 0) {
        child = static_cast<std::int32_t>(nodes_.size());
        nodes_.push_back({.next = {}, .depth = At(node).depth + 1});
        At(node).next.emplace_back(byte, child);
      }
      node = child;
    }
    At(node).match = At(node).depth;  // the root's is 0: an empty stop string never matches
  }
  // Breadth first, so that a fallback is complete before it is asked.
  std::deque<std::int32_t> queue = {0};
  while (!queue.empty()) {
    const std::int32_t node = queue.front();
    queue.pop_front();
    for (const auto& [byte, child] : At(node).next) {
      At(child).fallback = node == 0 ? 0 : Step(At(node).fallback, byte);
      At(child).match = std::max(At(child).match, At(At(child).fallback).match);
      queue.push_back(child);
    }
  }
}

std::int32_t StopMatcher::Child(std::int32_t node, unsigned char byte) const {
  for (const auto& [edge, child] : At(node).next) {
    if (edge == byte) return child;
  }
  return -1;
}

std::int32_t StopMatcher::Step(std::int32_t node, unsigned char byte) const {
  for (;;) {
    if (const std::int32_t child = Child(node, byte); child >= 0) return child;
    if (node == 0) return 0;
    node = At(node).fallback;
  }
}

bool StopMatcher::Push(std::string_view bytes, std::string& out) {
  for (const char c : bytes) {
    held_.push_back(c);
    state_ = Step(state_, static_cast<unsigned char>(c));
    const bool stopped = At(state_).match > 0;
    const std::int32_t keep = stopped ? At(state_).match : At(state_).depth;
    const std::size_t free = held_.size() - static_cast<std::size_t>(keep);
    out.append(held_, 0, free);
    held_.erase(0, free);
    if (stopped) {
      held_.clear();
      state_ = 0;
      return true;
    }
  }
  return false;
}

void StopMatcher::Flush(std::string& out) {
  out += held_;
  held_.clear();
  state_ = 0;
}

}  // namespace sextant
