#include "router/tokenizer/piece_cache.h"

#include <algorithm>
#include <cstring>

namespace sextant {

PieceCache::Key::Key(std::string_view piece, std::size_t step) : words_{} {
  std::memcpy(words_.data(), piece.data(), piece.size());
  words_[3] |=
      (static_cast<std::uint64_t>(piece.size()) << 56U) | (static_cast<std::uint64_t>(step) << 48U);
  // Multiplicative mixing word by word (as in FNV, with a 64-bit multiplier).
  std::uint64_t hash = 0;
  for (const std::uint64_t word : words_) {
    hash = (hash ^ word) * 0x9E3779B97F4A7C15U;
    hash ^= hash >> 32U;
  }
  slot_ = static_cast<std::size_t>(hash % kEntries);
}

void PieceCache::Put(const Key& key, std::span<const Id> ids) {
  Entry& entry = entries_[key.slot_];
  entry.words = key.words_;
  entry.ids.count = static_cast<std::uint32_t>(ids.size());
  std::copy(ids.begin(), ids.end(), entry.ids.ids.begin());
}

}  // namespace sextant
