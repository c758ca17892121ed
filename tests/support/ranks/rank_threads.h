// The ranks of a test, each on a thread of its own.
#pragma once

#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"

namespace sextant {

// Calls `body` with each rank in [0, size) at once; returns when all calls have.
inline void RunRanks(int size, absl::FunctionRef<void(int rank)> body) {
  std::vector<std::thread> threads;
  threads.reserve(static_cast<std::size_t>(size));
  for (int rank = 0; rank < size; ++rank) threads.emplace_back([rank, body] { body(rank); });
  for (std::thread& thread : threads) thread.join();
}

}  // namespace sextant
