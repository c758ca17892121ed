// A made-up cluster's experts, who holds them, and tokens that choose among them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

#include "kernels/exchange/plan_dispatch_cuda.h"

namespace sextant {

using Ids = std::vector<std::int32_t>;

// Of each destination: expert e is at e mod D, and at the next one as well where e < `replicated`.
inline std::vector<Ids> HeldExperts(std::int32_t experts, std::int32_t destinations,
                                    std::int32_t replicated) {
  std::vector<Ids> held(static_cast<std::size_t>(destinations));
  for (std::int32_t e = 0; e < experts; ++e) {
    held[static_cast<std::size_t>(e % destinations)].push_back(e);
    if (e < replicated && destinations > 1) {
      held[static_cast<std::size_t>((e + 1) % destinations)].push_back(e);
    }
  }
  return held;
}

// [E] for one source: the holders of an expert take turns among the sources.
inline std::vector<ExpertSeatCuda> SeatsFor(const std::vector<Ids>& held, std::int32_t experts,
                                            std::int32_t source) {
  std::vector<std::vector<ExpertSeatCuda>> holders(static_cast<std::size_t>(experts));
  for (std::size_t d = 0; d < held.size(); ++d) {
    for (std::size_t local = 0; local < held[d].size(); ++local) {
      holders[static_cast<std::size_t>(held[d][local])].push_back(
          {static_cast<std::int32_t>(d), static_cast<std::int32_t>(local)});
    }
  }
  std::vector<ExpertSeatCuda> seats;
  for (const auto& of_expert : holders) {
    seats.push_back(of_expert[static_cast<std::size_t>(source) % of_expert.size()]);
  }
  return seats;
}

// Each token chooses different experts, as a gate does.
inline Ids RandomChoices(std::int64_t tokens, std::int32_t chosen, std::int32_t experts,
                         std::uint32_t seed) {
  std::mt19937 generator(seed);
  Ids all(static_cast<std::size_t>(experts));
  std::iota(all.begin(), all.end(), 0);
  Ids ids;
  for (std::int64_t t = 0; t < tokens; ++t) {
    std::shuffle(all.begin(), all.end(), generator);
    ids.insert(ids.end(), all.begin(), all.begin() + chosen);
  }
  return ids;
}

}  // namespace sextant
