// A process that the supervisor keeps alive, and whoever starts and signals processes for it.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace sextant::cli {

// The order of stopping: admission ends first, and what serves it after that.
enum class ChildKind { kRouter, kAttentionWorker, kWholeWorker, kColocatedWorker, kExpertWorker };

struct ChildSpec {
  std::string name;  // "router", "expert_worker-1": unique, for people
  ChildKind kind = ChildKind::kExpertWorker;
  std::vector<std::string> arguments{};  // the program first
};

class ChildHost {
 public:
  virtual ~ChildHost() = default;

  // The process id. Errors: when the process cannot be created; a program that cannot be run is
  // one that exits.
  [[nodiscard]] virtual absl::StatusOr<int> Start(const ChildSpec& child) = 0;
  virtual void Signal(int pid, int signal) = 0;
};

}  // namespace sextant::cli
