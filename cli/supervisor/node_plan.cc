#include "cli/supervisor/node_plan.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cli/supervisor/cluster_plan.h"
#include "common/base/check.h"

namespace sextant::cli {
namespace {

// As a gRPC target wants it: an IPv6 address in brackets.
std::string Bracketed(const std::string& address) {
  const bool bare = absl::StrContains(address, ':') && !absl::StartsWith(address, "[");
  return bare ? absl::StrCat("[", address, "]") : address;
}

struct Place {
  const char* role;  // in the name of its socket
  int order;         // in which ports are given out
};

Place PlaceOf(ChildKind kind) {
  switch (kind) {
    case ChildKind::kAttentionWorker:
      return {"attention", 0};
    case ChildKind::kExpertWorker:
      return {"expert", 1};
    case ChildKind::kWholeWorker:
      return {"whole", 2};
    case ChildKind::kColocatedWorker:
      return {"colocated", 3};
    case ChildKind::kRouter:
      break;
  }
  CHECK(false && "a router is no worker");
}

// The first port of a kind; 0 and -1 stay what they are.
std::int64_t FirstPort(std::int64_t first_of_all, ChildKind kind) {
  return first_of_all > 0 ? first_of_all + PlaceOf(kind).order * kNodeWorkersRange.max
                          : first_of_all;
}

}  // namespace

absl::StatusOr<ChildSpec> PlanNodeWorker(const NodePlanArgs& args, ChildKind kind,
                                         std::int64_t index, std::int64_t workers) {
  const NodeConfig& node = args.config.node;
  ClusterPlanArgs plan = {.config = args.config,
                          .model_dir = node.model,
                          .program_dir = args.program_dir,
                          .runtime_dir = args.runtime_dir,
                          .router_target = node.router,
                          .processors = args.processors,
                          .whole_admin_offset = 0,
                          .colocated_admin_offset = 0};
  std::vector<std::string> listen;
  if (!args.address.empty()) {
    const std::int64_t first = FirstPort(node.worker_port, kind);
    listen = {
        absl::StrCat(Bracketed(args.address), ":", first > 0 ? first + index : 0),
        absl::StrCat("unix:", args.runtime_dir, "/", PlaceOf(kind).role, "-", index + 1, ".sock")};
  }
  plan.config.attention_worker.listen = listen;
  plan.config.expert_worker.listen = std::move(listen);
  plan.config.attention_worker.admin_port = FirstPort(node.worker_admin_port, kind);
  plan.config.expert_worker.admin_port = FirstPort(node.worker_admin_port, kind);
  return PlanWorker(plan, kind, index, workers);
}

}  // namespace sextant::cli
