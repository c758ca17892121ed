#include "common/exchange/dispatch_ledger.h"

#include <algorithm>
#include <utility>

#include "common/base/check.h"

namespace sextant {
namespace {

constexpr HolderId kNobody = -1;

}  // namespace

// The shipment that is being filled for one holder.
struct DispatchLedger::Draft {
  Shipment shipment;
  std::int64_t planned = 0;  // pairs for this holder in all shipments of the plan
};

bool HolderTable::Names(HolderId holder) const {
  return std::find(holders.begin(), holders.end(), holder) != holders.end();
}

void DispatchLedger::Begin(MatrixView<const std::int32_t> expert_ids, const Limits& limits) {
  CHECK_GE(limits.max_pairs, 1);
  CHECK_GE(limits.max_rows, 1);
  Clear();
  limits_ = limits;
  choices_ = std::max<std::int64_t>(expert_ids.cols, 1);
  experts_.resize(static_cast<std::size_t>(expert_ids.rows * expert_ids.cols));
  for (std::int64_t t = 0; t < expert_ids.rows; ++t) {
    std::copy_n(expert_ids.Row(t), expert_ids.cols, experts_.begin() + t * expert_ids.cols);
  }
  unsent_.resize(experts_.size());
  for (std::size_t slot = 0; slot < unsent_.size(); ++slot) {
    unsent_[slot] = static_cast<std::int32_t>(slot);
  }
}

HolderId DispatchLedger::Choose(const std::vector<HolderId>& holders, std::int32_t token,
                                const std::vector<Draft>& drafts,
                                absl::FunctionRef<bool(HolderId)> usable) const {
  HolderId chosen = kNobody;
  std::int64_t least = 0;
  for (const HolderId holder : holders) {
    if (!usable(holder)) continue;
    std::int64_t planned = 0;
    for (const Draft& draft : drafts) {
      if (draft.shipment.holder != holder) continue;
      if (!draft.shipment.tokens.empty() && draft.shipment.tokens.back() == token) return holder;
      planned = draft.planned;
    }
    if (chosen == kNobody || planned < least) {
      chosen = holder;
      least = planned;
    }
  }
  return chosen;
}

std::vector<const Shipment*> DispatchLedger::Plan(const HolderTable& table,
                                                  absl::FunctionRef<bool(HolderId)> usable) {
  std::vector<const Shipment*> planned;
  std::vector<Draft> drafts;  // one for each holder that gets something
  const auto send = [&](Draft& draft) {
    Shipment& shipment = draft.shipment;
    shipment.number = ++last_number_;
    shipment.epoch = table.epoch;
    const HolderId holder = shipment.holder;
    const auto [place, added] = under_way_.emplace(shipment.number, std::move(shipment));
    CHECK(added);
    planned.push_back(&place->second);
    shipment = {};
    shipment.holder = holder;
  };

  std::vector<std::int32_t> left;
  for (const std::int32_t slot : unsent_) {
    const auto expert = static_cast<std::size_t>(experts_[static_cast<std::size_t>(slot)]);
    CHECK_LT(expert, table.holders_of.size());
    const auto token = static_cast<std::int32_t>(slot / choices_);
    const HolderId holder = Choose(table.holders_of[expert], token, drafts, usable);
    if (holder == kNobody) {
      left.push_back(slot);
      continue;
    }
    auto draft = std::find_if(drafts.begin(), drafts.end(),
                              [holder](const Draft& d) { return d.shipment.holder == holder; });
    if (draft == drafts.end()) {
      draft = drafts.emplace(drafts.end());
      draft->shipment.holder = holder;
    }
    Shipment& shipment = draft->shipment;
    const bool new_token = shipment.tokens.empty() || shipment.tokens.back() != token;
    const auto pairs = static_cast<std::int64_t>(shipment.pairs.size());
    const auto rows = static_cast<std::int64_t>(shipment.tokens.size());
    const bool full = new_token ? pairs + choices_ > limits_.max_pairs || rows >= limits_.max_rows
                                : pairs >= limits_.max_pairs;
    if (full && pairs > 0) send(*draft);
    if (shipment.tokens.empty() || shipment.tokens.back() != token) {
      shipment.tokens.push_back(token);
    }
    shipment.pairs.push_back({.row = static_cast<std::uint16_t>(shipment.tokens.size() - 1),
                              .expert = static_cast<std::uint16_t>(expert)});
    shipment.slots.push_back(slot);
    ++draft->planned;
  }
  for (Draft& draft : drafts) send(draft);
  unsent_ = std::move(left);
  return planned;
}

const Shipment* DispatchLedger::Find(std::uint64_t number) const {
  const auto found = under_way_.find(number);
  return found == under_way_.end() ? nullptr : &found->second;
}

void DispatchLedger::Settle(std::uint64_t number) { CHECK_EQ(under_way_.erase(number), 1U); }

void DispatchLedger::ReturnSlots(absl::Span<const std::int32_t> slots) {
  const auto middle = static_cast<std::ptrdiff_t>(unsent_.size());
  unsent_.insert(unsent_.end(), slots.begin(), slots.end());
  std::inplace_merge(unsent_.begin(), unsent_.begin() + middle, unsent_.end());
}

template <typename Predicate>
std::int64_t DispatchLedger::TakeBackIf(Predicate predicate) {
  std::int64_t count = 0;
  for (auto it = under_way_.begin(); it != under_way_.end();) {
    if (!predicate(it->second)) {
      ++it;
      continue;
    }
    count += static_cast<std::int64_t>(it->second.slots.size());
    ReturnSlots(it->second.slots);
    it = under_way_.erase(it);
  }
  return count;
}

std::int64_t DispatchLedger::TakeBack(std::uint64_t number) {
  return TakeBackIf([number](const Shipment& shipment) { return shipment.number == number; });
}

std::int64_t DispatchLedger::TakeBackFrom(HolderId holder) {
  return TakeBackIf([holder](const Shipment& shipment) { return shipment.holder == holder; });
}

std::int64_t DispatchLedger::TakeBackFromOthersThan(const HolderTable& table) {
  return TakeBackIf([&table](const Shipment& shipment) { return !table.Names(shipment.holder); });
}

void DispatchLedger::Clear() {
  unsent_.clear();
  under_way_.clear();
}

std::vector<std::int32_t> DispatchLedger::UnsentExperts() const {
  std::vector<std::int32_t> experts;
  for (const std::int32_t slot : unsent_) {
    experts.push_back(experts_[static_cast<std::size_t>(slot)]);
  }
  std::sort(experts.begin(), experts.end());
  experts.erase(std::unique(experts.begin(), experts.end()), experts.end());
  return experts;
}

}  // namespace sextant
