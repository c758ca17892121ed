// How far a starting cluster is, told in stages, and when it serves.
#pragma once

#include <string>
#include <vector>

#include "proto/sextant/v1/admin.pb.h"

namespace sextant::cli {

// True once every expert is held and an attention worker takes sequences.
[[nodiscard]] bool Serves(const v1::ClusterStatus& status);

class ClusterProgress {
 public:
  ClusterProgress(int attention_workers, int expert_workers)
      : attention_workers_(attention_workers), expert_workers_(expert_workers) {}

  // Lines for people about what is new since the last call.
  [[nodiscard]] std::vector<std::string> Update(const v1::ClusterStatus& status);

 private:
  const int attention_workers_;
  const int expert_workers_;
  std::string workers_;
  std::string experts_;
};

}  // namespace sextant::cli
