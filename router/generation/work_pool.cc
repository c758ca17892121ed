#include "router/generation/work_pool.h"

#include <optional>

namespace sextant::router {

WorkPool::WorkPool(int threads, std::size_t capacity) : queue_(capacity) {
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this] {
      while (std::optional<Work> work = queue_.Pop()) (*work)();
    });
  }
}

WorkPool::~WorkPool() { Stop(); }

void WorkPool::Stop() {
  queue_.Close();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

}  // namespace sextant::router
