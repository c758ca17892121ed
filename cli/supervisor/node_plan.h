// With which arguments the workers of one host of a larger cluster are started.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "cli/supervisor/child.h"
#include "common/config/config.h"

namespace sextant::cli {

struct NodePlanArgs {
  Config config{};            // node.model: a folder
  std::string program_dir{};  // of sextant, attention_worker, expert_worker
  std::string runtime_dir{};  // for unix sockets
  std::string address{};      // where other hosts reach this one; empty: they do not
  int processors = 1;
};

// The worker with this index, from 0, of `workers` of its kind. With an address it listens there,
// on a port that depends on its kind and index alone, and on a unix socket for this host.
//
// Threads, errors: those of PlanWorker (cluster_plan.h).
[[nodiscard]] absl::StatusOr<ChildSpec> PlanNodeWorker(const NodePlanArgs& args, ChildKind kind,
                                                       std::int64_t index, std::int64_t workers);

}  // namespace sextant::cli
