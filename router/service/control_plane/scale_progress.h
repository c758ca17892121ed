// How far a Scale has come, from one status of the cluster to the next.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "proto/sextant/v1/admin.pb.h"

namespace sextant {

class ScaleProgress {
 public:
  ScaleProgress(v1::Role role, std::uint64_t number) : role_(role), number_(number) {}

  // Nothing when it is where it was. `done` is set in the last one.
  // Errors: Aborted when a later Scale has taken its place.
  [[nodiscard]] absl::StatusOr<std::optional<v1::ChangeProgress>> Update(
      const v1::ClusterStatus& status);

 private:
  const v1::Role role_;
  const std::uint64_t number_;
  std::string said_;
};

}  // namespace sextant
