// Any bytes as model.safetensors.index.json: reading never crashes, and what it accepts names only
// files of the same folder.
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "common/base/check.h"
#include "common/weights/shard_index.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto index = sextant::ParseShardIndex({reinterpret_cast<const char*>(data), size}, "fuzz");
  if (!index.ok()) {
    CHECK(absl::IsInvalidArgument(index.status()));
    return 0;
  }
  std::set<std::string> named;
  for (const auto& [tensor, file] : index->shard_of) named.insert(file);
  CHECK(std::set<std::string>(index->files.begin(), index->files.end()) == named);
  CHECK_EQ(index->files.size(), named.size());
  for (const std::string& file : index->files) {
    CHECK(!file.empty() && file != "." && file != "..");
    CHECK(file.find('/') == std::string::npos && file.find('\0') == std::string::npos);
  }
  return 0;
}
