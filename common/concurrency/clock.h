// Time as a parameter, so that tests decide how it passes.
#pragma once

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace sextant {

class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual absl::Time Now() const = 0;
};

class RealClock final : public Clock {
 public:
  [[nodiscard]] absl::Time Now() const override { return absl::Now(); }
};

}  // namespace sextant
