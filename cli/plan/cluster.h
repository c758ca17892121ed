// The GPUs that a plan is about: who runs attention, who holds how many experts, and what joins
// them. As an epoch does, everything else here knows the list of ranks alone; only the order in
// which a layer's work can overlap depends on the form (floor.h).
#pragma once

#include <cstdint>
#include <vector>

#include "cli/plan/card.h"

namespace sextant::cli {

enum class Form : std::uint8_t {
  kOne,        // one GPU has every role
  kColocated,  // every GPU runs attention for its own sequences and holds a shard of the experts
  kApart,      // some GPUs run attention, the others hold the experts
};

// "one", "colocated", "apart".
[[nodiscard]] const char* Name(Form form);

struct Rank {
  std::int64_t node = 0;
  bool attention = false;
  std::int64_t experts = 0;  // routed experts that it holds, of every MoE layer

  friend bool operator==(const Rank&, const Rank&) = default;
};

struct Cluster {
  Card card = {};
  Form form = Form::kOne;
  std::vector<Rank> ranks = {};
  std::int64_t gpus_per_node = 1;
  double network_bytes_per_s = 0;  // of each GPU to other nodes, one direction; 0: one node
  double hop_s = 0;                // what rows take from GPU to GPU beside their bytes

  [[nodiscard]] std::int64_t AttentionRanks() const;
  [[nodiscard]] std::int64_t MostExperts() const;  // that one rank holds
};

struct RankCounts {
  Form form = Form::kOne;
  std::int64_t gpus = 1;
  std::int64_t gpus_per_node = 1;
  std::int64_t attention = 1;  // of kApart: the others hold experts
  std::int64_t experts = 0;    // routed experts of a layer
};

// Experts are dealt evenly: two ranks that hold any differ by one at most. Under kApart attention
// goes round the nodes in turn, so that each node has both kinds where the numbers allow it, and
// comes first in the list.
[[nodiscard]] std::vector<Rank> MakeRanks(const RankCounts& counts);

}  // namespace sextant::cli
