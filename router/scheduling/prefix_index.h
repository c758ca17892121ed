// Which workers have computed which beginnings of prompts, as far as the router can know: a
// bounded map from the hash chain of a prompt's blocks to the workers that were given it. The
// workers' own caches evict by their own clock, so this is a guess that only steers.
//
// Threads:   one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <unordered_map>
#include <vector>

#include "absl/types/span.h"

namespace sextant::router {

// Element i is of the first i + 1 whole blocks: equal prompts up to there have equal hashes, and
// others differ (64 bits).
[[nodiscard]] std::vector<std::uint64_t> BlockHashes(absl::Span<const std::int32_t> ids,
                                                     std::int64_t block_tokens);

class PrefixIndex {
 public:
  // At most `capacity` blocks are remembered; those that were not used for longest are forgotten.
  explicit PrefixIndex(std::size_t capacity) : capacity_(capacity) {}

  void Insert(absl::Span<const std::uint64_t> hashes, std::uint64_t worker);

  // How many of the blocks, from the first one, the worker has.
  [[nodiscard]] std::int64_t CachedBlocks(absl::Span<const std::uint64_t> hashes,
                                          std::uint64_t worker) const;

  // The worker is gone, and its cache with it.
  void Forget(std::uint64_t worker);

  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::vector<std::uint64_t> workers;  // few, and each once
    std::list<std::uint64_t>::iterator age;
  };

  const std::size_t capacity_;
  std::unordered_map<std::uint64_t, Entry> entries_;
  std::list<std::uint64_t> ages_;  // hashes, the least recently used first
};

}  // namespace sextant::router
