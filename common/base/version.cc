#include "common/base/version.h"

namespace sextant {

const char* Version() { return SEXTANT_VERSION; }

}  // namespace sextant
