// The configuration of everything: one YAML file for all programs (docs/configuration.md). Each
// takes the sections that it needs, and lays its command-line flags over them.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/config/engine_config.h"
#include "common/config/node_config.h"
#include "common/config/role_config.h"

namespace sextant {

struct Config {
  EngineConfig engine;
  RouterConfig router;
  AttentionWorkerConfig attention_worker;
  ExpertWorkerConfig expert_worker;
  ClusterConfig cluster;
  NodeConfig node;

  friend bool operator==(const Config&, const Config&) = default;
};

// Errors: those of ReadYamlFile.
[[nodiscard]] absl::StatusOr<Config> ReadConfig(const std::string& path);

// The same from text; `source` names it in errors.
[[nodiscard]] absl::StatusOr<Config> ParseConfig(absl::string_view text, const std::string& source);

}  // namespace sextant
