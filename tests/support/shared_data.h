// The published model's files, which lie in shared/ beside the checkout where somebody put them
// there. A clone alone does not have them: a test that needs them skips.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace sextant {

// SEXTANT_SHARED_DIR or ../shared, then `relative`; empty when it is not there.
inline std::string SharedData(const std::string& relative) {
  const char* configured = std::getenv("SEXTANT_SHARED_DIR");
  const std::filesystem::path root =
      configured != nullptr ? configured : std::string(SEXTANT_SOURCE_DIR) + "/../shared";
  const std::filesystem::path path = root / relative;
  return std::filesystem::exists(path) ? path.string() : "";
}

}  // namespace sextant

// Ends the test as skipped when `path`, from SharedData, is empty.
#define SEXTANT_SKIP_WITHOUT_SHARED(path) \
  if ((path).empty()) GTEST_SKIP() << "shared/ is not beside the checkout"
