// How the commands that run a model in their own process cut its latent cache.
#pragma once

#include <cstdint>

namespace sextant::cli {

inline constexpr std::int64_t kBlockTokens = 64;   // 36 KiB of V2-Lite's latents, layer and block
inline constexpr std::int64_t kMaxSequences = 64;  // running at once; more wait

}  // namespace sextant::cli
