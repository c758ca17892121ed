#include "common/config/engine_config.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace sextant {
namespace {

std::vector<std::pair<absl::string_view, DeviceChoice>> DeviceWords() {
  return {
      {"auto", DeviceChoice::kAuto}, {"cpu", DeviceChoice::kCpu}, {"cuda", DeviceChoice::kCuda}};
}

}  // namespace

absl::StatusOr<DeviceChoice> ParseDeviceChoice(absl::string_view word) {
  for (const auto& [known, choice] : DeviceWords()) {
    if (word == known) return choice;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("\"", word, "\" is no device: use auto, cpu or cuda"));
}

void ReadEngineSection(YamlReader& root, EngineConfig* config) {
  root.Section("engine", [config](YamlReader& engine) {
    engine.Int("threads", &config->threads, kThreadsRange);
    engine.Choice<Precision>("dtype", &config->dtype,
                             {{"bf16", Precision::kBf16}, {"fp32", Precision::kFp32}});
    engine.Int("cache_tokens", &config->cache_tokens, kCacheTokensRange);
    engine.Int("max_batch_tokens", &config->max_batch_tokens, kMaxBatchTokensRange);
    engine.Choice<DeviceChoice>("device", &config->device, DeviceWords());
    engine.ByteSize("device_memory", &config->device_memory_bytes, kDeviceMemoryRange);
    engine.Int("expert_slots", &config->expert_slots, kExpertSlotsRange);
    engine.Int("most_ranks", &config->most_ranks, kMostRanksRange);
  });
}

absl::Status CheckEngineConfig(const EngineConfig& config) {
  if (config.device == DeviceChoice::kCuda && config.dtype == Precision::kFp32) {
    return absl::InvalidArgumentError(
        "a GPU computes in bf16 alone: with device cuda set dtype bf16, or for fp32 device cpu");
  }
  return absl::OkStatus();
}

absl::Status CheckSplitEngine(const EngineConfig& config) {
  if (config.device != DeviceChoice::kCuda) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "engine.device is cuda, and this program computes on CPUs; run `sextant worker`, whole or "
      "with --role attention or expert, or set it to auto or cpu");
}

}  // namespace sextant
