// Finds the heads of prompts that the latent cache still holds, so that they are not computed
// again.
//
// What is known is full blocks of prompt positions, computed by the prefill path. A block is found
// by its tokens and the block before it, so by every token from the start of the prompt; tokens
// are compared and not only their hash. Positions of the decode path are never given away, since
// their bits differ from those of a prompt (DESIGN.md, the determinism rule).
//
// A known block is kept in the pool: while no sequence uses it its room counts as free, and goes
// to whoever needs it, the one unused longest first, the end of a prompt before its head.
//
// Ownership: the cache outlives it; at its end every block is forgotten.
// Threads:   the engine thread makes every call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/container/node_hash_map.h"
#include "absl/hash/hash.h"
#include "absl/types/span.h"
#include "attention_worker/cache/latent_cache.h"

namespace sextant {

class PrefixCache {
 public:
  explicit PrefixCache(LatentCache& cache);
  ~PrefixCache();
  PrefixCache(const PrefixCache&) = delete;
  PrefixCache& operator=(const PrefixCache&) = delete;

  // The blocks of the longest known head of `prompt`, in order; they stay valid until the next
  // block is taken from the pool.
  [[nodiscard]] std::vector<std::int32_t> Find(absl::Span<const std::int32_t> prompt) const;

  // Makes the first blocks of a sequence known: those in `blocks`, full and computed, of which it
  // holds a reference each. Where a head is known already, the block known for it stays.
  void Insert(absl::Span<const std::int32_t> prompt, absl::Span<const std::int32_t> blocks);

  [[nodiscard]] std::int64_t num_blocks() const { return static_cast<std::int64_t>(known_.size()); }

 private:
  static constexpr std::uint64_t kStart = 0;  // what comes before a prompt's first block

  struct Key {
    std::uint64_t parent = kStart;  // number of the block before it
    std::vector<std::int32_t> tokens;
  };
  struct KeyView {
    std::uint64_t parent = kStart;
    absl::Span<const std::int32_t> tokens;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(const Key& key) const { return (*this)(View(key)); }
    std::size_t operator()(const KeyView& key) const {
      return absl::HashOf(key.parent, key.tokens);
    }
  };
  struct Equal {
    using is_transparent = void;
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      return a.parent == b.parent &&
             absl::Span<const std::int32_t>(a.tokens) == absl::Span<const std::int32_t>(b.tokens);
    }
  };
  struct Known {
    std::uint64_t number = 0;  // never used twice, so that a lost parent is not mistaken
    std::int32_t block = 0;
  };

  static KeyView View(const Key& key) { return {.parent = key.parent, .tokens = key.tokens}; }
  [[nodiscard]] absl::Span<const std::int32_t> BlockTokens(absl::Span<const std::int32_t> prompt,
                                                           std::size_t block) const;
  void Erase(std::int32_t block);

  LatentCache& cache_;
  std::uint64_t next_number_ = kStart + 1;
  absl::node_hash_map<Key, Known, Hash, Equal> known_;
  std::vector<const Key*> key_of_;  // [num_blocks], null for a block that is not known
};

}  // namespace sextant
