// What a gate chooses on average when it is uniform: every token's K experts are K of E drawn
// without replacement, each set as likely as another, and tokens are independent. A trained gate is
// less even: then fewer experts are read at small batches, and the busiest GPU has more rows.
#pragma once

#include <cstdint>

namespace sextant::cli {

struct Routing {
  std::int64_t experts = 0;  // E
  std::int64_t chosen = 0;   // K <= E
};

// How many of `held` experts at least one of `rows` tokens chooses: held (1 - (1 - K / E)^rows),
// since a token leaves one expert out with probability 1 - K / E.
[[nodiscard]] double ExpectedExperts(const Routing& routing, std::int64_t held, double rows);

// That a token chooses at least one of `held` experts, so that its row travels to their holder:
// 1 - C(E - held, K) / C(E, K), the hypergeometric distribution's chance of not 0.
[[nodiscard]] double HitProbability(const Routing& routing, std::int64_t held);

}  // namespace sextant::cli
