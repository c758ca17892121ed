#include "common/program/process.h"

#include <malloc.h>

#include <csignal>

namespace sextant {

void PrepareProcess() {
  mallopt(M_MMAP_THRESHOLD, 256 << 20);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_TOP_PAD, 64 << 20);
  std::signal(SIGPIPE, SIG_IGN);
}

}  // namespace sextant
