// Any bytes as a YAML configuration: reading never crashes, and what it accepts is in range.
#include <cstddef>
#include <cstdint>

#include "common/base/check.h"
#include "common/config/config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = sextant::ParseConfig(text, "fuzz");
  if (!config.ok()) return 0;
  CHECK_GE(config->engine.threads, sextant::kThreadsRange.min);
  CHECK_LE(config->engine.threads, sextant::kThreadsRange.max);
  CHECK_GE(config->engine.cache_tokens, sextant::kCacheTokensRange.min);
  CHECK_LE(config->engine.max_batch_tokens, sextant::kMaxBatchTokensRange.max);
  CHECK_GE(config->engine.device_memory_bytes, sextant::kDeviceMemoryRange.min);
  CHECK_LE(config->router.listen.size(), sextant::kMaxListenTargets);
  CHECK_GE(config->router.queue, sextant::kQueueRange.min);
  CHECK_LE(config->expert_worker.admin_port, sextant::kAdminPortRange.max);
  return 0;
}
