// How often an idle connection is probed, and how long an answer may take. A worker's death is
// learned from its heartbeats long before; this only ends connections whose other side has gone.
#pragma once

namespace sextant {

inline constexpr int kKeepaliveTimeMs = 10'000;
inline constexpr int kKeepaliveTimeoutMs = 5'000;

}  // namespace sextant
