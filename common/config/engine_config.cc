#include "common/config/engine_config.h"

#include "common/base/status.h"

namespace sextant {
namespace {

void ReadEngine(YamlReader& root, EngineConfig* config) {
  root.Section("engine", [config](YamlReader& engine) {
    engine.Int("threads", &config->threads, kThreadsRange);
    engine.Choice<Precision>("dtype", &config->dtype,
                             {{"bf16", Precision::kBf16}, {"fp32", Precision::kFp32}});
    engine.Int("cache_tokens", &config->cache_tokens, kCacheTokensRange);
    engine.Int("max_batch_tokens", &config->max_batch_tokens, kMaxBatchTokensRange);
  });
}

}  // namespace

absl::StatusOr<EngineConfig> ReadEngineConfig(const std::string& path) {
  EngineConfig config;
  RETURN_IF_ERROR(ReadYamlFile(path, [&](YamlReader& root) { ReadEngine(root, &config); }));
  return config;
}

absl::StatusOr<EngineConfig> ParseEngineConfig(absl::string_view text, const std::string& source) {
  EngineConfig config;
  RETURN_IF_ERROR(ReadYaml(text, source, [&](YamlReader& root) { ReadEngine(root, &config); }));
  return config;
}

}  // namespace sextant
