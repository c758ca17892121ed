// How far a Rebalance has come, from one status of the cluster to the next.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "proto/sextant/v1/admin.pb.h"

namespace sextant {

class RebalanceProgress {
 public:
  explicit RebalanceProgress(std::uint64_t number) : number_(number) {}

  // Nothing when it is where it was. `done` is set in the last one.
  [[nodiscard]] std::optional<v1::ChangeProgress> Update(const v1::ClusterStatus& status);

 private:
  const std::uint64_t number_;
  std::string said_;
};

}  // namespace sextant
