// The flags of every command that runs the model in this process.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/config/engine_config.h"
#include "common/config/json_fields.h"

namespace CLI {
class App;
}

namespace sextant::cli {

struct DeviceFlags {
  std::optional<std::string> device;
  std::optional<std::string> device_memory;
};

void AddDeviceFlags(CLI::App& command, DeviceFlags& flags);

// Errors: InvalidArgument naming the flag.
[[nodiscard]] absl::Status LayOver(const DeviceFlags& flags, EngineConfig& config);

struct EngineFlags {
  std::string model;
  std::string config;  // a YAML file; empty: the defaults
  std::optional<std::int64_t> threads;
  std::optional<std::string> dtype;
  std::optional<std::int64_t> cache_tokens;
  DeviceFlags device;
};

void AddEngineFlags(CLI::App& command, EngineFlags& flags);

// --weights, of commands that measure.
void AddWeightsFlag(CLI::App& command, bool& random);

// The file's settings with the given flags laid over them.
// Errors: those of ReadConfig and CheckEngineConfig, and InvalidArgument naming a flag that is out
// of range.
[[nodiscard]] absl::StatusOr<EngineConfig> MakeEngineConfig(const EngineFlags& flags);

// `value` is what the flag says, if it was given. InvalidArgument, naming flag and range, if that
// is out of the range.
[[nodiscard]] absl::Status LayOver(const std::optional<std::int64_t>& given, const char* flag,
                                   const IntRange& range, std::int64_t& value);

}  // namespace sextant::cli
