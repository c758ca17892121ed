#include "common/config/engine_config.h"

namespace sextant {

void ReadEngineSection(YamlReader& root, EngineConfig* config) {
  root.Section("engine", [config](YamlReader& engine) {
    engine.Int("threads", &config->threads, kThreadsRange);
    engine.Choice<Precision>("dtype", &config->dtype,
                             {{"bf16", Precision::kBf16}, {"fp32", Precision::kFp32}});
    engine.Int("cache_tokens", &config->cache_tokens, kCacheTokensRange);
    engine.Int("max_batch_tokens", &config->max_batch_tokens, kMaxBatchTokensRange);
  });
}

}  // namespace sextant
