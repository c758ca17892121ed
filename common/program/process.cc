#include "common/program/process.h"

#include <malloc.h>

#include <csignal>

namespace sextant {

void PrepareProcess() {
  mallopt(M_MMAP_THRESHOLD, 256 << 20);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_TOP_PAD, 64 << 20);
  // What thousands of calls at once took is kept for the next ones: by one arena, and not by as
  // many as gRPC has had threads.
  mallopt(M_ARENA_MAX, 1);
  std::signal(SIGPIPE, SIG_IGN);
}

}  // namespace sextant
