#include "router/tokenizer/byte_pair_merger.h"

#include <algorithm>
#include <functional>

namespace sextant {
namespace {

// Up to here, looking through all pairs for the lowest rank beats keeping them in a heap.
constexpr std::size_t kShort = 48;

}  // namespace

void BytePairMerger::Encode(std::string_view piece, Workspace& workspace,
                            std::vector<Id>& ids) const {
  if (piece.size() <= kShort) {
    EncodeShort(piece, ids);
  } else {
    EncodeLong(piece, workspace, ids);
  }
}

void BytePairMerger::EncodeShort(std::string_view piece, std::vector<Id>& ids) const {
  std::array<Id, kShort> id;
  std::array<std::uint32_t, kShort> rank;  // of the pair (i, i + 1)
  std::array<Id, kShort> merged;           // what that pair becomes
  std::size_t count = piece.size();
  const auto look = [&](std::size_t i) {
    const MergeTable::Merge merge = merges_.Find(id[i], id[i + 1]);
    rank[i] = merge.rank;
    merged[i] = merge.id;
  };
  for (std::size_t i = 0; i < count; ++i) {
    id[i] = byte_ids_[static_cast<unsigned char>(piece[i])];
    if (i > 0) look(i - 1);
  }
  rank[count - 1] = MergeTable::kNoRank;
  merged[count - 1] = -1;
  while (count > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < count; ++i) {
      if (rank[i] < rank[best]) best = i;
    }
    if (rank[best] == MergeTable::kNoRank) break;
    id[best] = merged[best];
    --count;
    for (std::size_t i = best + 1; i < count; ++i) {
      id[i] = id[i + 1];
      rank[i] = rank[i + 1];
      merged[i] = merged[i + 1];
    }
    if (best + 1 < count) look(best);
    if (best > 0) look(best - 1);
  }
  ids.insert(ids.end(), id.begin(), id.begin() + static_cast<std::ptrdiff_t>(count));
}

void BytePairMerger::EncodeLong(std::string_view piece, Workspace& workspace,
                                std::vector<Id>& ids) const {
  auto& symbols = workspace.symbols;
  auto& queue = workspace.queue;
  const auto count = static_cast<std::int32_t>(piece.size());
  const auto at = [&](std::int32_t i) -> Workspace::Symbol& {
    return symbols[static_cast<std::size_t>(i)];
  };
  const auto pair_at = [&](std::int32_t i) {
    return at(i).next < 0 ? MergeTable::Merge{} : merges_.Find(at(i).id, at(at(i).next).id);
  };
  const auto push = [&](std::int32_t i) {
    const std::uint32_t rank = pair_at(i).rank;
    if (rank == MergeTable::kNoRank) return;
    queue.push_back((static_cast<std::uint64_t>(rank) << 32U) | static_cast<std::uint32_t>(i));
    std::push_heap(queue.begin(), queue.end(), std::greater<>());
  };

  symbols.clear();
  queue.clear();
  for (std::int32_t i = 0; i < count; ++i) {
    const auto byte = static_cast<unsigned char>(piece[static_cast<std::size_t>(i)]);
    symbols.push_back({byte_ids_[byte], i - 1, i + 1 < count ? i + 1 : -1});
  }
  for (std::int32_t i = 0; i + 1 < count; ++i) push(i);

  constexpr Id kGone = -1;
  while (!queue.empty()) {
    const std::uint64_t top = queue.front();
    std::pop_heap(queue.begin(), queue.end(), std::greater<>());
    queue.pop_back();
    const auto i = static_cast<std::int32_t>(top & UINT32_MAX);
    if (at(i).id == kGone) continue;
    const MergeTable::Merge merge = pair_at(i);
    if (merge.rank != top >> 32U) continue;  // one of the two has changed since
    const std::int32_t absorbed = at(i).next;
    at(i).id = merge.id;
    at(i).next = at(absorbed).next;
    at(absorbed).id = kGone;
    if (at(i).next >= 0) {
      at(at(i).next).previous = i;
      push(i);
    }
    if (at(i).previous >= 0) push(at(i).previous);
  }
  for (std::int32_t i = 0; i >= 0; i = at(i).next) ids.push_back(at(i).id);
}

}  // namespace sextant
