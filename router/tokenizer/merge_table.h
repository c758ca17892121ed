// The merges of byte-pair encoding: which two neighbouring tokens become which one, and how early.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sextant {

class MergeTable {
 public:
  using Id = std::int32_t;
  static constexpr std::uint32_t kNoRank = UINT32_MAX;

  struct Merge {
    std::uint32_t rank = kNoRank;  // lower merges first; kNoRank: these two never merge
    Id id = -1;
  };

  explicit MergeTable(std::size_t merges);

  // False when the pair has a merge already, or the table holds as many as it was made for.
  [[nodiscard]] bool Add(Id left, Id right, Merge merge);

  [[nodiscard]] Merge Find(Id left, Id right) const {
    const std::uint64_t key = Key(left, right);
    for (std::uint64_t slot = Hash(key) >> shift_;; slot = (slot + 1) & mask_) {
      const Entry& entry = entries_[slot];
      if (entry.key == key) return entry.merge;
      if (entry.key == kEmpty) return {};
    }
  }

 private:
  static constexpr std::uint64_t kEmpty = UINT64_MAX;
  struct Entry {
    std::uint64_t key = kEmpty;
    Merge merge;
  };
  static std::uint64_t Key(Id left, Id right) {
    return (static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32U) |
           static_cast<std::uint32_t>(right);
  }
  // Multiplicative hashing by the golden ratio (Knuth, volume 3, section 6.4), folded first so that
  // both halves reach the top bits.
  static std::uint64_t Hash(std::uint64_t key) {
    key ^= key >> 29U;
    return key * 0x9E3779B97F4A7C15U;
  }

  std::vector<Entry> entries_;
  std::uint64_t mask_;
  unsigned shift_;
  std::size_t room_;
};

}  // namespace sextant
