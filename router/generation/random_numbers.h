// Seeds and request ids that nobody has chosen.
#pragma once

#include <atomic>
#include <cstdint>

namespace sextant::router {

// SplitMix64 (Steele, Lea, Flood 2014) over a counter. Any thread.
class RandomNumbers {
 public:
  explicit RandomNumbers(std::uint64_t start) : state_(start) {}

  [[nodiscard]] std::uint64_t Next() {
    std::uint64_t x = state_.fetch_add(0x9E3779B97F4A7C15U, std::memory_order_relaxed);
    x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9U;
    x = (x ^ (x >> 27U)) * 0x94D049BB133111EBU;
    return x ^ (x >> 31U);
  }

 private:
  std::atomic<std::uint64_t> state_;
};

}  // namespace sextant::router
