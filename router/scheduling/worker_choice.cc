#include "router/scheduling/worker_choice.h"

#include <algorithm>
#include <tuple>

namespace sextant::router {
namespace {

// A sequence that is there already slows each step of the new one: charged like so many tokens of
// prefill. Small against a prompt of several blocks, so that a cached prefix outweighs it.
constexpr std::int64_t kTokensPerSequence = 16;

bool TakesMore(const WorkerState& worker) {
  if (worker.sequences >= worker.max_sequences) return false;
  // Its cache is full: what is sent now would wait there, out of the queue's order. Without a
  // sequence of ours the report may be old.
  return worker.load.waiting == 0 || worker.sequences == 0;
}

}  // namespace

std::int64_t BlocksFor(std::int64_t tokens, std::int64_t block_tokens) {
  return (tokens + block_tokens - 1) / block_tokens;
}

Choice ChooseWorker(const SequenceNeeds& needs, absl::Span<const WorkerState> workers,
                    const PrefixIndex& prefixes) {
  Choice choice;
  const auto prompt_tokens = static_cast<std::int64_t>(needs.prompt_ids.size());
  const std::int64_t tokens = prompt_tokens + needs.max_tokens;
  std::int64_t largest = 0;
  std::vector<std::uint64_t> hashes;
  std::int64_t hashed_by = 0;
  auto best = std::make_tuple(false, false, std::int64_t{0}, std::uint64_t{0});
  for (std::size_t i = 0; i < workers.size(); ++i) {
    const WorkerState& worker = workers[i];
    largest = std::max(largest, worker.cache_blocks * worker.block_tokens);
    if (BlocksFor(tokens, worker.block_tokens) > worker.cache_blocks || !TakesMore(worker)) {
      continue;
    }
    if (worker.block_tokens != hashed_by) {
      hashed_by = worker.block_tokens;
      hashes = BlockHashes(needs.prompt_ids, hashed_by);
    }
    const std::int64_t cached = prefixes.CachedBlocks(hashes, worker.number);
    const std::int64_t free = worker.load.free_blocks - worker.promised_blocks;
    const bool crowded = BlocksFor(tokens, worker.block_tokens) - cached > free;
    const std::int64_t cost =
        prompt_tokens - cached * worker.block_tokens + kTokensPerSequence * worker.sequences;
    const auto rank = std::make_tuple(worker.avoid, crowded, cost, worker.last_choice);
    if (!choice.worker.has_value() || rank < best) {
      choice.worker = i;
      best = rank;
    }
  }
  const bool fits_somewhere =
      std::any_of(workers.begin(), workers.end(), [tokens](const WorkerState& worker) {
        return BlocksFor(tokens, worker.block_tokens) <= worker.cache_blocks;
      });
  if (!workers.empty() && !fits_somewhere) choice.too_long_for = largest;
  return choice;
}

}  // namespace sextant::router
