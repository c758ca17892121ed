// Flags of a program, laid over the settings of its YAML file: those that every program of a
// cluster has, and what the others are declared and laid over with.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/config/config.h"

namespace sextant {

struct ProgramFlags {
  std::string config_file;
  std::optional<std::string> admin_host;
  std::optional<std::int64_t> admin_port;
  std::optional<std::string> log_level;
};

// `flags` outlives the parse.
void AddProgramFlags(CLI::App& app, ProgramFlags& flags);

// Lays the log level and the metrics page's address over a file's settings; `admin_port` belongs to
// the role's own section. Errors: those of ParseLogLevel.
[[nodiscard]] absl::Status LayOver(const ProgramFlags& flags, Config& config);

// The file's settings, or the defaults without a file, with these laid over them. Errors: those of
// ReadConfig as well.
[[nodiscard]] absl::StatusOr<Config> ReadProgramConfig(const ProgramFlags& flags);

// A flag that takes "on" or "off". `value` outlives the parse.
void AddSwitch(CLI::App& app, const std::string& name, std::optional<bool>& value,
               const std::string& description);

// The range of a setting as the check of its flag.
[[nodiscard]] inline CLI::Range Within(const IntRange& range) { return {range.min, range.max}; }

// What was given on the command line wins over what the file says.
template <typename T>
void LayOver(const std::optional<T>& given, T& setting) {
  if (given.has_value()) setting = *given;
}
inline void LayOver(const std::vector<std::string>& given, std::vector<std::string>& setting) {
  if (!given.empty()) setting = given;
}

}  // namespace sextant
