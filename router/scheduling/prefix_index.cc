#include "router/scheduling/prefix_index.h"

#include <algorithm>

namespace sextant::router {
namespace {

// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): every bit of the input moves every bit of
// the output.
std::uint64_t Mix(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15U;
  x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27U)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31U);
}

}  // namespace

std::vector<std::uint64_t> BlockHashes(absl::Span<const std::int32_t> ids,
                                       std::int64_t block_tokens) {
  std::vector<std::uint64_t> hashes;
  if (block_tokens < 1) return hashes;
  const auto block = static_cast<std::size_t>(block_tokens);
  hashes.reserve(ids.size() / block);
  std::uint64_t chain = 0;
  for (std::size_t begin = 0; begin + block <= ids.size(); begin += block) {
    for (const std::int32_t id : ids.subspan(begin, block)) {
      chain = Mix(chain ^ static_cast<std::uint32_t>(id));
    }
    hashes.push_back(chain);
  }
  return hashes;
}

void PrefixIndex::Insert(absl::Span<const std::uint64_t> hashes, std::uint64_t worker) {
  // The first blocks are touched last: a chain is forgotten from its end.
  for (auto hash = hashes.rbegin(); hash != hashes.rend(); ++hash) {
    auto [found, is_new] = entries_.try_emplace(*hash);
    Entry& entry = found->second;
    if (is_new) {
      entry.age = ages_.insert(ages_.end(), *hash);
    } else {
      ages_.splice(ages_.end(), ages_, entry.age);
    }
    if (std::find(entry.workers.begin(), entry.workers.end(), worker) == entry.workers.end()) {
      entry.workers.push_back(worker);
    }
  }
  while (entries_.size() > capacity_) {
    entries_.erase(ages_.front());
    ages_.pop_front();
  }
}

std::int64_t PrefixIndex::CachedBlocks(absl::Span<const std::uint64_t> hashes,
                                       std::uint64_t worker) const {
  std::int64_t blocks = 0;
  for (const std::uint64_t hash : hashes) {
    const auto found = entries_.find(hash);
    if (found == entries_.end()) break;
    const std::vector<std::uint64_t>& workers = found->second.workers;
    if (std::find(workers.begin(), workers.end(), worker) == workers.end()) break;
    ++blocks;
  }
  return blocks;
}

void PrefixIndex::Forget(std::uint64_t worker) {
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    std::vector<std::uint64_t>& workers = entry->second.workers;
    workers.erase(std::remove(workers.begin(), workers.end(), worker), workers.end());
    if (workers.empty()) {
      ages_.erase(entry->second.age);
      entry = entries_.erase(entry);
    } else {
      ++entry;
    }
  }
}

}  // namespace sextant::router
