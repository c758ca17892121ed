#include "kernels/moe/topk_select.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "absl/container/inlined_vector.h"

namespace sextant {
namespace {

// Orders as the logits do; both zeros are equal and a NaN is below all.
std::int32_t Key(float logit) {
  if (logit != logit) return std::numeric_limits<std::int32_t>::min();
  const auto bits = std::bit_cast<std::int32_t>(logit + 0.0F);
  return bits ^ ((bits >> 31) & 0x7fffffff);
}

// The `capacity` heaviest of what was added, heaviest first. Added in the order of their ids, equal
// ones stay in it.
class Heaviest {
 public:
  explicit Heaviest(std::int64_t capacity) : capacity_(static_cast<std::size_t>(capacity)) {
    entries_.reserve(capacity_ + 1);
  }

  void Add(std::int32_t id, std::int32_t key) {
    if (entries_.size() == capacity_ && key <= entries_.back().key) return;
    entries_.push_back({key, id});
    for (std::size_t i = entries_.size() - 1; i > 0 && entries_[i - 1].key < key; --i) {
      std::swap(entries_[i], entries_[i - 1]);
    }
    if (entries_.size() > capacity_) entries_.pop_back();
  }

  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(entries_.size()); }
  [[nodiscard]] std::int32_t id(std::int64_t place) const {
    return entries_[static_cast<std::size_t>(place)].id;
  }

 private:
  struct Entry {
    std::int32_t key;
    std::int32_t id;
  };
  std::size_t capacity_;
  absl::InlinedVector<Entry, 20> entries_;
};

// One flag per group.
using KeptGroups = absl::InlinedVector<bool, 32>;

KeptGroups KeepHeaviestGroups(const TopkSoftmaxRows& rows, const float* logits) {
  const std::int64_t size = rows.experts / rows.groups;
  Heaviest groups(rows.kept_groups);
  for (std::int64_t g = 0; g < rows.groups; ++g) {
    std::int32_t best = Key(logits[g * size]);
    for (std::int64_t e = g * size + 1; e < (g + 1) * size; ++e)
      best = std::max(best, Key(logits[e]));
    groups.Add(static_cast<std::int32_t>(g), best);
  }
  KeptGroups kept(static_cast<std::size_t>(rows.groups), false);
  for (std::int64_t i = 0; i < groups.size(); ++i)
    kept[static_cast<std::size_t>(groups.id(i))] = true;
  return kept;
}

}  // namespace

std::int64_t SelectExperts(const TopkSoftmaxRows& rows, const float* gate_logits,
                           std::int32_t* ids) {
  const std::int64_t size = rows.experts / rows.groups;
  const KeptGroups kept = rows.kept_groups < rows.groups
                              ? KeepHeaviestGroups(rows, gate_logits)
                              : KeptGroups(static_cast<std::size_t>(rows.groups), true);
  Heaviest experts(rows.chosen);
  for (std::int64_t g = 0; g < rows.groups; ++g) {
    if (!kept[static_cast<std::size_t>(g)]) continue;
    for (std::int64_t e = g * size; e < (g + 1) * size; ++e) {
      experts.Add(static_cast<std::int32_t>(e), Key(gate_logits[e]));
    }
  }
  const std::int64_t weighted = experts.size();
  for (std::int64_t k = 0; k < weighted; ++k) ids[k] = experts.id(k);
  std::int64_t next = weighted;
  for (std::int64_t e = 0; next < rows.chosen; ++e) {
    if (!kept[static_cast<std::size_t>(e / size)]) ids[next++] = static_cast<std::int32_t>(e);
  }
  return weighted;
}

}  // namespace sextant
