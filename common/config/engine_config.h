// What an operator may set about the engine: the `engine` section of the configuration
// (config.h), with command-line flags written over it afterwards.
#pragma once

#include <cstdint>

#include "common/config/yaml_reader.h"
#include "common/tensor/precision.h"

namespace sextant {

inline constexpr IntRange kThreadsRange = {.min = 0, .max = 1024};
inline constexpr IntRange kCacheTokensRange = {.min = 1, .max = 1 << 30};
inline constexpr IntRange kMaxBatchTokensRange = {.min = 1, .max = 1 << 20};

struct EngineConfig {
  std::int64_t threads = 0;  // of the kernels; 0: one per processor
  Precision dtype = Precision::kBf16;
  std::int64_t cache_tokens = 16384;    // tokens that the latent cache holds, all sequences
  std::int64_t max_batch_tokens = 512;  // rows of one step: decode rows, then prefill chunks

  friend bool operator==(const EngineConfig&, const EngineConfig&) = default;
};

// Declares the section's keys on the root of a file.
void ReadEngineSection(YamlReader& root, EngineConfig* config);

}  // namespace sextant
