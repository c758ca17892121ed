#include "common/config/config.h"

#include "common/base/status.h"

namespace sextant {
namespace {

void ReadSections(YamlReader& root, Config* config) {
  ReadEngineSection(root, &config->engine);
  ReadRouterSection(root, &config->router);
  ReadAttentionWorkerSection(root, &config->attention_worker);
  ReadExpertWorkerSection(root, &config->expert_worker);
  ReadClusterSection(root, &config->cluster);
  ReadNodeSection(root, &config->node);
}

}  // namespace

absl::StatusOr<Config> ReadConfig(const std::string& path) {
  Config config;
  RETURN_IF_ERROR(ReadYamlFile(path, [&](YamlReader& root) { ReadSections(root, &config); }));
  return config;
}

absl::StatusOr<Config> ParseConfig(absl::string_view text, const std::string& source) {
  Config config;
  RETURN_IF_ERROR(ReadYaml(text, source, [&](YamlReader& root) { ReadSections(root, &config); }));
  return config;
}

}  // namespace sextant
