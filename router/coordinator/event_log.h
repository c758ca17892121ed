// The newest things that happened, for people.
#pragma once

#include <deque>
#include <string>

#include "absl/time/time.h"

namespace sextant {

class EventLog {
 public:
  static constexpr std::size_t kMost = 32;

  // "2026-11-25T10:20:30.123Z text"
  void Add(absl::Time when, const std::string& text) {
    if (lines_.size() == kMost) lines_.pop_front();
    lines_.push_back(absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ ", when, absl::UTCTimeZone()) + text);
    ++count_;
  }

  [[nodiscard]] const std::deque<std::string>& lines() const { return lines_; }  // oldest first
  [[nodiscard]] std::uint64_t count() const { return count_; }  // since the beginning

 private:
  std::deque<std::string> lines_;
  std::uint64_t count_ = 0;
};

}  // namespace sextant
