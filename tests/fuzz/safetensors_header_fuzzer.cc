// Any bytes as the start of a safetensors file: parsing never crashes, and what it accepts keeps
// the promises that the checkpoint relies on.
#include <cstddef>
#include <cstdint>

#include "common/base/check.h"
#include "common/weights/safetensors_header.h"

namespace {

// The first two bytes say how much larger than its known start the file is.
void ParseOnce(absl::string_view bytes) {
  if (bytes.size() < 2) return;
  const auto extra = static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[0])) |
                     static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[1])) << 8;
  bytes.remove_prefix(2);
  const std::uint64_t file_size = bytes.size() + extra;
  const auto entries = sextant::ParseSafetensorsHeader(bytes, file_size, "fuzz");
  if (!entries.ok()) return;
  std::uint64_t covered = 0;
  for (const sextant::TensorEntry& entry : *entries) {
    CHECK_LE(entry.begin, entry.end);
    CHECK_LE(entry.end, file_size);
    CHECK_LE(covered, entry.begin);
    covered = entry.end;
    for (const std::int64_t dimension : entry.shape) CHECK_GE(dimension, 0);
  }
  if (!entries->empty()) CHECK_EQ(covered, file_size);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ParseOnce({reinterpret_cast<const char*>(data), size});
  return 0;
}
