// The router's command line, laid over its configuration file.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/config/config.h"
#include "common/program/program_flags.h"

namespace sextant::router {

struct RouterFlags {
  ProgramFlags program;
  std::string model;
  std::vector<std::string> listen;
  std::optional<std::int64_t> queue;
  std::optional<std::int64_t> wait_seconds;
  std::optional<std::string> served_model_name;
  std::string profile;
  int expert_workers = 0;
  std::optional<bool> rebalance;
  std::optional<std::int64_t> spare_experts;
  std::optional<std::int64_t> replicated_experts;
};

// `flags` outlives the parse.
void AddRouterFlags(CLI::App& app, RouterFlags& flags);

// The settings in `text`, what the configuration file holds, with the flags laid over them. Errors:
// those of ParseConfig, which name the file, the line and the key.
[[nodiscard]] absl::StatusOr<Config> ReadRouterConfig(const RouterFlags& flags,
                                                      absl::string_view text);

}  // namespace sextant::router
