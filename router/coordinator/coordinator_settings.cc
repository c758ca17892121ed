#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "router/coordinator/coordinator.h"

namespace sextant {
namespace {

// "spare slots 0 -> 2, experts with a copy 0 -> 8"
std::string Shown(const PlacementSettings& before, const PlacementSettings& now) {
  std::vector<std::string> changes;
  const auto compare = [&changes](const char* what, auto was, auto is) {
    if (was != is) changes.push_back(absl::StrCat(what, " ", was, " -> ", is));
  };
  const auto word = [](bool on) { return on ? "by itself" : "when asked"; };
  if (before.auto_rebalance != now.auto_rebalance) {
    compare("rebalancing", word(before.auto_rebalance), word(now.auto_rebalance));
  }
  compare("spare slots", before.spare_slots, now.spare_slots);
  compare("experts with a copy", before.replicas, now.replicas);
  return absl::StrJoin(changes, ", ");
}

int MostHeld(const ExpertHolders& holders) {
  std::map<std::string, int> counts;
  int most = 0;
  for (const std::string& holder : holders) most = std::max(most, ++counts[holder]);
  return most;
}

}  // namespace

void Coordinator::SetPlacement(const PlacementSettings& settings) {
  if (settings == config_.placement) return;
  Note(absl::StrCat("settings: ", Shown(config_.placement, settings)));
  config_.placement = settings;
  uneven_since_ = absl::InfiniteFuture();
  Advance();
}

// Settings that leave the epoch in force as it is need no other one.
void Coordinator::AdoptSettings() {
  if (placed_by_ == config_.placement || !IsCalm()) return;
  if (PlanBySettings() == holders_) placed_by_ = config_.placement;
}

// The epoch in force, all of whose holders are there, as the settings have it. An even placement by
// number takes the place of one that needs more spare slots than there are now.
HolderLists Coordinator::PlanBySettings() const {
  const std::vector<std::string> workers = Candidates();
  ExpertHolders first = FirstOf(holders_);
  const auto even = static_cast<int>((first.size() + workers.size() - 1) / workers.size());
  if (MostHeld(first) > even + config_.placement.spare_slots) {
    first = PlanPlacement({.workers = workers, .previous = std::move(first)});
  }
  return AddReplicas({.workers = workers,
                      .holders = first,
                      .previous = holders_,
                      .loads = load_.Rates(clock_.Now()),
                      .replicas = config_.placement.replicas});
}

}  // namespace sextant
