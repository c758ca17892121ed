#include "attention_worker/cache/prefix_cache.h"

#include "common/base/check.h"

namespace sextant {

PrefixCache::PrefixCache(LatentCache& cache)
    : cache_(cache), key_of_(static_cast<std::size_t>(cache.pool().num_blocks()), nullptr) {
  cache_.pool().set_eviction_listener([this](std::int32_t block) { Erase(block); });
}

PrefixCache::~PrefixCache() {
  cache_.pool().set_eviction_listener(nullptr);
  for (const auto& [key, known] : known_) cache_.pool().Forget(known.block);
}

absl::Span<const std::int32_t> PrefixCache::BlockTokens(absl::Span<const std::int32_t> prompt,
                                                        std::size_t block) const {
  const auto block_tokens = static_cast<std::size_t>(cache_.shape().block_tokens);
  return prompt.subspan(block * block_tokens, block_tokens);
}

std::vector<std::int32_t> PrefixCache::Find(absl::Span<const std::int32_t> prompt) const {
  const std::size_t full = prompt.size() / static_cast<std::size_t>(cache_.shape().block_tokens);
  std::vector<std::int32_t> blocks;
  std::uint64_t parent = kStart;
  for (std::size_t i = 0; i < full; ++i) {
    const auto found = known_.find(KeyView{.parent = parent, .tokens = BlockTokens(prompt, i)});
    if (found == known_.end()) break;
    blocks.push_back(found->second.block);
    parent = found->second.number;
  }
  return blocks;
}

void PrefixCache::Insert(absl::Span<const std::int32_t> prompt,
                         absl::Span<const std::int32_t> blocks) {
  CHECK_LE(static_cast<std::int64_t>(blocks.size()) * cache_.shape().block_tokens,
           static_cast<std::int64_t>(prompt.size()));
  std::uint64_t parent = kStart;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const KeyView view{.parent = parent, .tokens = BlockTokens(prompt, i)};
    auto found = known_.find(view);
    if (found == known_.end()) {
      const std::int32_t block = blocks[i];
      // Known under a parent that has been evicted since: nobody can find it there.
      if (cache_.pool().IsKept(block)) Erase(block);
      found =
          known_
              .emplace(Key{.parent = parent, .tokens = {view.tokens.begin(), view.tokens.end()}},
                       Known{.number = next_number_++, .block = block})
              .first;
      key_of_[static_cast<std::size_t>(block)] = &found->first;
      cache_.pool().Keep(block);
    }
    parent = found->second.number;
  }
}

void PrefixCache::Erase(std::int32_t block) {
  const Key*& key = key_of_[static_cast<std::size_t>(block)];
  CHECK(key != nullptr);
  known_.erase(known_.find(View(*key)));
  key = nullptr;
}

}  // namespace sextant
