// Any bytes as a YAML configuration: reading never crashes, and what it accepts is in range.
#include <cstddef>
#include <cstdint>

#include "common/base/check.h"
#include "common/config/engine_config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = sextant::ParseEngineConfig(text, "fuzz");
  if (!config.ok()) return 0;
  CHECK_GE(config->threads, sextant::kThreadsRange.min);
  CHECK_LE(config->threads, sextant::kThreadsRange.max);
  CHECK_GE(config->cache_tokens, sextant::kCacheTokensRange.min);
  CHECK_LE(config->max_batch_tokens, sextant::kMaxBatchTokensRange.max);
  return 0;
}
