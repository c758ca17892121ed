// The version of Sextant, as the build file has it: equal for all members of a cluster.
#pragma once

namespace sextant {

[[nodiscard]] const char* Version();  // "0.1.0"

}  // namespace sextant
