// The roles of workers, in the order in which they are listed, and their names.
#pragma once

#include <array>

#include "proto/sextant/v1/placement.pb.h"

namespace sextant {

inline constexpr std::array<v1::Role, 4> kRoles = {v1::ROLE_ATTENTION, v1::ROLE_EXPERT,
                                                   v1::ROLE_WHOLE, v1::ROLE_COLOCATED};

// As in metrics, worker ids and JSON: "attention", "expert", "whole", "colocated".
[[nodiscard]] inline const char* RoleName(v1::Role role) {
  switch (role) {
    case v1::ROLE_ATTENTION:
      return "attention";
    case v1::ROLE_EXPERT:
      return "expert";
    case v1::ROLE_WHOLE:
      return "whole";
    case v1::ROLE_COLOCATED:
      return "colocated";
    default:
      return "unknown";
  }
}

}  // namespace sextant
