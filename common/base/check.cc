#include "common/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace sextant::internal {

void CheckFailed(const char* file, int line, const std::string& message) {
  std::fprintf(stderr, "%s:%d: CHECK failed: %s\n", file, line, message.c_str());
  std::abort();
}

}  // namespace sextant::internal
