#include "common/device/stream.h"

#include "common/base/check.h"

namespace sextant {

Stream::Stream(Backend backend, ThreadPool& pool) : backend_(backend), pool_(pool) {
  CHECK(Supports(backend));
}

}  // namespace sextant
