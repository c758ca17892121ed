// What an operator may set about the placement of experts, also while the cluster runs.
#pragma once

namespace sextant {

struct PlacementSettings {
  // Rebalancing without being asked (CoordinatorConfig has when).
  bool auto_rebalance = false;
  // A worker may hold so many experts more than an even share, where that evens out the load.
  int spare_slots = 0;
  // So many experts, the hottest, have a second holder.
  int replicas = 0;

  friend bool operator==(const PlacementSettings&, const PlacementSettings&) = default;
};

}  // namespace sextant
