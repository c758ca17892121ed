// Where kernels run: a backend, the threads that share its work, and temporary memory.
//
// On a CPU every kernel has finished when its call returns. Ownership: the stream borrows the
// pool, so that several streams of one process may take turns on the same threads.
// Threads:   one thread owns a stream and makes every call on it.
#pragma once

#include "common/device/backend.h"
#include "common/device/scratch.h"
#include "common/device/thread_pool.h"

namespace sextant {

class Stream {
 public:
  // CHECKs that this processor supports `backend`.
  Stream(Backend backend, ThreadPool& pool);
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  [[nodiscard]] Backend backend() const { return backend_; }
  [[nodiscard]] ThreadPool& pool() { return pool_; }
  [[nodiscard]] Scratch& scratch() { return scratch_; }

 private:
  Backend backend_;
  ThreadPool& pool_;
  Scratch scratch_;
};

}  // namespace sextant
