// How far a starting cluster is, told in stages, and when it serves.
#pragma once

#include <string>
#include <vector>

#include "common/config/role_config.h"
#include "proto/sextant/v1/admin.pb.h"

namespace sextant::cli {

// True once a whole worker takes sequences, or an attention worker does and every expert is held.
[[nodiscard]] bool Serves(const v1::ClusterStatus& status);

class ClusterProgress {
 public:
  explicit ClusterProgress(const ClusterConfig& wanted) : wanted_(wanted) {}

  // Lines for people about what is new since the last call.
  [[nodiscard]] std::vector<std::string> Update(const v1::ClusterStatus& status);

 private:
  const ClusterConfig wanted_;
  std::string workers_;
  std::string experts_;
};

}  // namespace sextant::cli
