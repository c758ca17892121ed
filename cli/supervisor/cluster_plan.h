// Which processes a local cluster consists of, and with which arguments.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/supervisor/child.h"
#include "common/config/config.h"

namespace sextant::cli {

struct ClusterPlanArgs {
  Config config{};
  std::string model_dir{};
  std::string program_dir{};    // of router, sextant and the rest; empty: names alone
  std::string runtime_dir{};    // for unix sockets, by which the processes reach each other
  std::string router_target{};  // by which the workers reach the router
  int processors = 1;
  // Whole and colocated workers take attention_worker.admin_port too, so many ports behind it.
  std::int64_t whole_admin_offset = kAttentionWorkersRange.max;
  std::int64_t colocated_admin_offset = kAttentionWorkersRange.max + kWholeWorkersRange.max;
};

// In runtime_dir: a router's own socket, which stays when it is started again.
[[nodiscard]] std::string RouterSocket(const std::string& runtime_dir);

// The router first, which listens on router_target as well.
//
// Threads:  engine.threads for each worker; 0 divides the processors among the attention workers
//           and, twice over, among the expert workers, at least one each and at most all: in a
//           layer the two kinds take turns, so that neither needs processors of its own. Whole
//           and colocated workers share them as attention workers do.
// GPUs:     whole or colocated worker i, from 0, is given GPU i. With engine.device cuda attention
//           and expert workers are on GPUs as well, the former from the first one upwards, the
//           latter from the last one downwards, so that each may become more or fewer.
// Ports:    worker i of a kind has its metrics at the kind's admin_port + i; whole workers behind
//           all that there may be of attention workers, and colocated ones behind those.
// Errors:   NotFound naming a program that is not in program_dir; InvalidArgument where workers of
//           two kinds would listen at the same address, or no port is left for a kind.
[[nodiscard]] absl::StatusOr<std::vector<ChildSpec>> PlanCluster(const ClusterPlanArgs& args);

// One more worker: the one with this index, from 0, of `workers` of its kind. Threads and errors as
// above.
[[nodiscard]] absl::StatusOr<ChildSpec> PlanWorker(const ClusterPlanArgs& args, ChildKind kind,
                                                   std::int64_t index, std::int64_t workers);

}  // namespace sextant::cli
