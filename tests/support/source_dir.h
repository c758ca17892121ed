// Where the files of this tree are that tests read.
#pragma once

#include <cstdlib>
#include <string>

namespace sextant {

// SEXTANT_SOURCE_DIR of the environment, for tests that run where they were not built
// (tests/gpu/run), or the folder that they were built in.
inline std::string SourceDir() {
  const char* moved = std::getenv("SEXTANT_SOURCE_DIR");
  return moved != nullptr ? moved : SEXTANT_SOURCE_DIR;
}

}  // namespace sextant
