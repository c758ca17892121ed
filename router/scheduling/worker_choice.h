// Which attention worker a sequence goes to.
//
// The cheapest one: tokens that it would have to compute, which its prefix cache does not hold,
// and a charge for each sequence that it has already. One whose free cache would not hold the
// sequence comes after all that have the room. Equals go to the one that was chosen longest ago.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "router/coordinator/attention_directory.h"
#include "router/scheduling/attention_peer.h"
#include "router/scheduling/prefix_index.h"

namespace sextant::router {

struct WorkerState {
  PeerNumber number = 0;
  std::int64_t cache_blocks = 0;
  std::int64_t block_tokens = 0;
  std::int64_t max_sequences = 0;
  std::int64_t sequences = 0;        // started there and not ended
  PeerLoad load = {};                // as it said last
  std::int64_t promised_blocks = 0;  // of sequences that started since then
  std::uint64_t last_choice = 0;     // ascending; 0: never chosen
  bool avoid = false;                // it has just failed this sequence
};

struct SequenceNeeds {
  absl::Span<const std::int32_t> prompt_ids = {};
  std::int64_t max_tokens = 0;
};

struct Choice {
  // Index of the worker; absent when none can take the sequence now.
  std::optional<std::size_t> worker = {};
  // None of the workers could ever hold it: how many tokens the largest cache has.
  std::optional<std::int64_t> too_long_for = {};
};

[[nodiscard]] Choice ChooseWorker(const SequenceNeeds& needs, absl::Span<const WorkerState> workers,
                                  const PrefixIndex& prefixes);

// Blocks that hold so many tokens.
[[nodiscard]] std::int64_t BlocksFor(std::int64_t tokens, std::int64_t block_tokens);

}  // namespace sextant::router
