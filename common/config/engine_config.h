// What an operator may set about the engine: the `engine` section of the configuration
// (config.h), with command-line flags written over it afterwards.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/config/yaml_reader.h"
#include "common/tensor/precision.h"

namespace sextant {

inline constexpr IntRange kThreadsRange = {.min = 0, .max = 1024};
inline constexpr IntRange kCacheTokensRange = {.min = 0, .max = 1 << 30};
inline constexpr IntRange kMaxBatchTokensRange = {.min = 1, .max = 1 << 20};
inline constexpr IntRange kExpertSlotsRange = {.min = 0, .max = 4096};
inline constexpr IntRange kMostRanksRange = {.min = 1, .max = 64};
inline constexpr IntRange kDeviceMemoryRange = {.min = 0, .max = std::int64_t{1} << 50};

inline constexpr std::int64_t kHostCacheTokens = 16384;

enum class DeviceChoice : std::uint8_t {
  kAuto,  // a GPU where one can be used, else the CPU
  kCpu,
  kCuda,  // a GPU, or an error
};

// "auto", "cpu", "cuda". Errors: InvalidArgument naming these.
[[nodiscard]] absl::StatusOr<DeviceChoice> ParseDeviceChoice(absl::string_view word);

struct EngineConfig {
  std::int64_t threads = 0;  // of the kernels; 0: one per processor
  Precision dtype = Precision::kBf16;
  // Tokens that the latent cache holds, all sequences together; 0: as many as a GPU has room for,
  // or kHostCacheTokens on a CPU.
  std::int64_t cache_tokens = 0;
  std::int64_t max_batch_tokens = 512;  // rows of one step: decode rows, then prefill chunks
  DeviceChoice device = DeviceChoice::kAuto;
  std::int64_t device_memory_bytes = 0;  // of a GPU's that may be used; 0: all that are free
  // Of several GPUs that compute one model: the experts that each has room for (0: for all of the
  // model), and how many GPUs there may be.
  std::int64_t expert_slots = 0;
  std::int64_t most_ranks = 8;

  friend bool operator==(const EngineConfig&, const EngineConfig&) = default;
};

// What the latent cache holds on a CPU.
[[nodiscard]] inline std::int64_t HostCacheTokens(const EngineConfig& config) {
  return config.cache_tokens > 0 ? config.cache_tokens : kHostCacheTokens;
}

// Declares the section's keys on the root of a file.
void ReadEngineSection(YamlReader& root, EngineConfig* config);

// Whether the settings fit each other, once flags have been laid over the file's.
// Errors: InvalidArgument for `cuda` with fp32, which no GPU computes here.
[[nodiscard]] absl::Status CheckEngineConfig(const EngineConfig& config);

// Whether the programs attention_worker and expert_worker can honour the settings: they compute on
// CPUs. Errors: FailedPrecondition for `cuda`.
[[nodiscard]] absl::Status CheckSplitEngine(const EngineConfig& config);

}  // namespace sextant
