// How far a Scale has come, from one status of the cluster to the next.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "proto/sextant/v1/admin.pb.h"

namespace sextant {

class ScaleProgress {
 public:
  ScaleProgress(v1::Role role, std::uint64_t number) : role_(role), number_(number) {}

  // Nothing when it is where it was. `done` is set in the last one.
  [[nodiscard]] std::optional<v1::ChangeProgress> Update(const v1::ClusterStatus& status);

  // Aborted when a later Scale has taken its place.
  [[nodiscard]] const absl::Status& failure() const { return failure_; }

 private:
  const v1::Role role_;
  const std::uint64_t number_;
  std::string said_;
  absl::Status failure_;
};

}  // namespace sextant
