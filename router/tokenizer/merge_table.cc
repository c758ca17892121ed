#include "router/tokenizer/merge_table.h"

#include <algorithm>
#include <bit>

namespace sextant {

MergeTable::MergeTable(std::size_t merges) : room_(merges) {
  const std::size_t slots = std::bit_ceil(std::max<std::size_t>(2 * merges, 2));
  entries_.resize(slots);
  mask_ = slots - 1;
  shift_ = 64U - static_cast<unsigned>(std::countr_zero(slots));
}

bool MergeTable::Add(Id left, Id right, Merge merge) {
  if (room_ == 0 || Find(left, right).rank != kNoRank) return false;
  const std::uint64_t key = Key(left, right);
  std::uint64_t slot = Hash(key) >> shift_;
  while (entries_[slot].key != kEmpty) slot = (slot + 1) & mask_;
  entries_[slot] = {key, merge};
  --room_;
  return true;
}

}  // namespace sextant
