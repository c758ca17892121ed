#include "cli/engine_flags.h"

#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "common/config/byte_size.h"
#include "common/config/config.h"

namespace sextant::cli {

absl::Status LayOver(const std::optional<std::int64_t>& given, const char* flag,
                     const IntRange& range, std::int64_t& value) {
  if (!given.has_value()) return absl::OkStatus();
  if (*given < range.min || *given > range.max) {
    return absl::InvalidArgumentError(
        absl::StrCat(flag, " ", *given, ": give a number from ", range.min, " to ", range.max));
  }
  value = *given;
  return absl::OkStatus();
}

void AddEngineFlags(CLI::App& command, EngineFlags& flags) {
  command.add_option("-m,--model", flags.model, "Folder of the checkpoint, as downloaded")
      ->required();
  command.add_option("--config", flags.config, "YAML file of settings (docs/configuration.md)");
  command.add_option("-t,--threads", flags.threads, "Threads of the kernels [one per processor]");
  command.add_option("--dtype", flags.dtype,
                     "bf16, or fp32: weights upcast and nothing rounded [bf16]");
  command.add_option("--cache-tokens", flags.cache_tokens,
                     "Tokens that the latent cache holds, all sequences together [16384; on a "
                     "GPU\nall that there is room for]");
  AddDeviceFlags(command, flags.device);
}

void AddDeviceFlags(CLI::App& command, DeviceFlags& flags) {
  command.add_option("--device", flags.device,
                     "auto: a GPU where one can be used, else the CPU; or cpu, or cuda [auto]");
  command.add_option("--device-memory", flags.device_memory,
                     "What may be used of a GPU's memory, such as 40GiB [all that is free]");
}

absl::Status LayOver(const DeviceFlags& flags, EngineConfig& config) {
  if (flags.device.has_value()) {
    const absl::StatusOr<DeviceChoice> device = ParseDeviceChoice(*flags.device);
    if (!device.ok()) return AddContext(device.status(), "--device");
    config.device = *device;
  }
  if (!flags.device_memory.has_value()) return absl::OkStatus();
  const absl::StatusOr<std::int64_t> bytes = ParseByteSize(*flags.device_memory);
  if (!bytes.ok()) return AddContext(bytes.status(), "--device-memory");
  return LayOver(*bytes, "--device-memory", kDeviceMemoryRange, config.device_memory_bytes);
}

void AddWeightsFlag(CLI::App& command, bool& random) {
  command
      .add_option_function<std::string>(
          "--weights", [&random](const std::string& from) { random = from == "random"; },
          "checkpoint, or random: on a GPU, of the model's shape, for which the folder\n"
          "needs only config.json")
      ->check(CLI::IsMember({"checkpoint", "random"}))
      ->default_str("checkpoint");
}

absl::StatusOr<EngineConfig> MakeEngineConfig(const EngineFlags& flags) {
  EngineConfig config;
  if (!flags.config.empty()) {
    ASSIGN_OR_RETURN(const Config file, ReadConfig(flags.config));
    config = file.engine;
  }
  RETURN_IF_ERROR(LayOver(flags.threads, "--threads", kThreadsRange, config.threads));
  RETURN_IF_ERROR(
      LayOver(flags.cache_tokens, "--cache-tokens", kCacheTokensRange, config.cache_tokens));
  if (flags.dtype == "bf16") {
    config.dtype = Precision::kBf16;
  } else if (flags.dtype == "fp32") {
    config.dtype = Precision::kFp32;
  } else if (flags.dtype.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--dtype \"", *flags.dtype, "\": use bf16 or fp32"));
  }
  RETURN_IF_ERROR(LayOver(flags.device, config));
  RETURN_IF_ERROR(CheckEngineConfig(config));
  return config;
}

}  // namespace sextant::cli
