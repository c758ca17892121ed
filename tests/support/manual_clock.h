// Time that stands still until a test moves it. Any thread.
#pragma once

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"
#include "common/concurrency/clock.h"

namespace sextant {

class ManualClock final : public Clock {
 public:
  [[nodiscard]] absl::Time Now() const override { return absl::FromUnixNanos(nanos_); }
  void Advance(absl::Duration duration) { nanos_ += absl::ToInt64Nanoseconds(duration); }

 private:
  std::atomic<std::int64_t> nanos_ = 1'700'000'000'000'000'000;
};

}  // namespace sextant
