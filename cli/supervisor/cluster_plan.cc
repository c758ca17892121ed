#include "cli/supervisor/cluster_plan.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/status.h"

namespace sextant::cli {
namespace {

using Arguments = std::vector<std::string>;

void Add(Arguments& arguments, const char* flag, std::string value) {
  arguments.emplace_back(flag);
  arguments.push_back(std::move(value));
}

absl::StatusOr<Arguments> Program(const ClusterPlanArgs& args, const char* name) {
  std::string path = args.program_dir.empty() ? name : absl::StrCat(args.program_dir, "/", name);
  if (!args.program_dir.empty() && access(path.c_str(), X_OK) != 0) {
    return absl::NotFoundError(absl::StrCat(
        path, " is missing; the programs of a cluster lie in one folder: build them all"));
  }
  Arguments arguments = {std::move(path)};
  Add(arguments, "--model", args.model_dir);
  Add(arguments, "--log-level", std::string(LogLevelWord(args.config.cluster.log_level)));
  Add(arguments, "--admin-host", args.config.cluster.admin_host);
  return arguments;
}

std::int64_t AttentionThreads(const ClusterPlanArgs& args, std::int64_t workers) {
  if (args.config.engine.threads > 0) return args.config.engine.threads;
  return std::max<std::int64_t>(1, args.processors / workers);
}

// Twice its part, and at most all: shares of a layer are never equal, and who has more to do then
// has the threads to use what the others have left.
std::int64_t ExpertThreads(const ClusterPlanArgs& args, std::int64_t workers) {
  if (args.config.engine.threads > 0) return args.config.engine.threads;
  return std::clamp<std::int64_t>(2 * args.processors / workers, 1, args.processors);
}

absl::StatusOr<ChildSpec> Router(const ClusterPlanArgs& args) {
  const RouterConfig& config = args.config.router;
  ASSIGN_OR_RETURN(Arguments arguments, Program(args, "router"));
  for (const std::string& listen : config.listen) Add(arguments, "--listen", listen);
  Add(arguments, "--listen", args.router_target);
  Add(arguments, "--queue", absl::StrCat(config.queue));
  Add(arguments, "--wait-seconds", absl::StrCat(config.wait_seconds));
  Add(arguments, "--admin-port", absl::StrCat(config.admin_port));
  Add(arguments, "--rebalance", config.rebalance ? "on" : "off");
  Add(arguments, "--spare-experts", absl::StrCat(config.spare_experts));
  Add(arguments, "--replicated-experts", absl::StrCat(config.replicated_experts));
  if (!config.served_model_name.empty()) {
    Add(arguments, "--served-model-name", config.served_model_name);
  }
  return ChildSpec{.name = "router", .kind = ChildKind::kRouter, .arguments = std::move(arguments)};
}

// What both kinds of worker take.
absl::StatusOr<Arguments> Worker(const ClusterPlanArgs& args, const char* program,
                                 std::int64_t threads) {
  ASSIGN_OR_RETURN(Arguments arguments, Program(args, program));
  Add(arguments, "--router", args.router_target);
  Add(arguments, "--runtime-dir", args.runtime_dir);
  Add(arguments, "--threads", absl::StrCat(threads));
  Add(arguments, "--dtype", args.config.engine.dtype == Precision::kBf16 ? "bf16" : "fp32");
  return arguments;
}

// A port that is not 0 goes to the first worker, the next one to the second, and so on.
std::string AdminPort(std::int64_t first, std::int64_t index) {
  return absl::StrCat(first > 0 ? first + index : first);
}

// What workers that compute sequences take.
void AddAttentionFlags(const ClusterPlanArgs& args, Arguments& arguments) {
  const AttentionWorkerConfig& config = args.config.attention_worker;
  Add(arguments, "--cache-tokens", absl::StrCat(args.config.engine.cache_tokens));
  Add(arguments, "--max-batch-tokens", absl::StrCat(args.config.engine.max_batch_tokens));
  Add(arguments, "--max-sequences", absl::StrCat(config.max_sequences));
  Add(arguments, "--prefix-cache", config.prefix_cache ? "on" : "off");
}

// What tells workers of `sextant worker` apart.
struct RankPlace {
  const char* role;
  std::int64_t gpu;
  std::string admin_port;
  std::vector<std::string> listen;
};

RankPlace PlaceOf(const ClusterPlanArgs& args, ChildKind kind, std::int64_t index) {
  const AttentionWorkerConfig& attends = args.config.attention_worker;
  const ExpertWorkerConfig& holds = args.config.expert_worker;
  const auto attending = [&](const char* role, std::int64_t offset) {
    return RankPlace{role, index, AdminPort(attends.admin_port, offset + index), attends.listen};
  };
  switch (kind) {
    case ChildKind::kWholeWorker:
      return attending("whole", args.whole_admin_offset);
    case ChildKind::kColocatedWorker:
      return attending("colocated", args.colocated_admin_offset);
    case ChildKind::kAttentionWorker:
      return attending("attention", 0);
    case ChildKind::kExpertWorker:
      return {"expert", -1 - index, AdminPort(holds.admin_port, index), holds.listen};
    case ChildKind::kRouter:
      break;
  }
  CHECK(false && "a router is no worker");
}

absl::string_view DeviceWord(DeviceChoice choice) {
  switch (choice) {
    case DeviceChoice::kAuto:
      return "auto";
    case DeviceChoice::kCpu:
      return "cpu";
    case DeviceChoice::kCuda:
      return "cuda";
  }
  CHECK(false && "DeviceChoice out of range");
}

// A worker of this program on a GPU, or a whole one on the CPU.
absl::StatusOr<ChildSpec> DeviceWorker(const ClusterPlanArgs& args, ChildKind kind,
                                       std::int64_t index, std::int64_t threads) {
  const RankPlace place = PlaceOf(args, kind, index);
  ASSIGN_OR_RETURN(Arguments arguments, Worker(args, "sextant", threads));
  arguments.insert(arguments.begin() + 1, "worker");
  Add(arguments, "--role", place.role);
  for (const std::string& listen : place.listen) Add(arguments, "--listen", listen);
  AddAttentionFlags(args, arguments);
  Add(arguments, "--admin-port", place.admin_port);
  Add(arguments, "--device", std::string(DeviceWord(args.config.engine.device)));
  Add(arguments, "--device-memory", absl::StrCat(args.config.engine.device_memory_bytes));
  Add(arguments, "--expert-slots", absl::StrCat(args.config.engine.expert_slots));
  Add(arguments, "--most-ranks", absl::StrCat(args.config.engine.most_ranks));
  Add(arguments, "--gpu", absl::StrCat(place.gpu));
  return ChildSpec{.name = absl::StrCat(place.role, "_worker-", index + 1),
                   .kind = kind,
                   .arguments = std::move(arguments)};
}

absl::StatusOr<ChildSpec> AttentionWorker(const ClusterPlanArgs& args, std::int64_t index,
                                          std::int64_t workers) {
  ASSIGN_OR_RETURN(Arguments arguments,
                   Worker(args, "attention_worker", AttentionThreads(args, workers)));
  const AttentionWorkerConfig& config = args.config.attention_worker;
  for (const std::string& listen : config.listen) Add(arguments, "--listen", listen);
  AddAttentionFlags(args, arguments);
  Add(arguments, "--admin-port", AdminPort(config.admin_port, index));
  return ChildSpec{.name = absl::StrCat("attention_worker-", index + 1),
                   .kind = ChildKind::kAttentionWorker,
                   .arguments = std::move(arguments)};
}

absl::StatusOr<ChildSpec> ExpertWorker(const ClusterPlanArgs& args, std::int64_t index,
                                       std::int64_t workers) {
  const ExpertWorkerConfig& config = args.config.expert_worker;
  ASSIGN_OR_RETURN(Arguments arguments,
                   Worker(args, "expert_worker", ExpertThreads(args, workers)));
  for (const std::string& listen : config.listen) Add(arguments, "--listen", listen);
  Add(arguments, "--admin-port", AdminPort(config.admin_port, index));
  return ChildSpec{.name = absl::StrCat("expert_worker-", index + 1),
                   .kind = ChildKind::kExpertWorker,
                   .arguments = std::move(arguments)};
}

absl::Status CheckAdminPorts(const ClusterPlanArgs& args, const char* kind, std::int64_t offset,
                             std::int64_t workers) {
  const std::int64_t port = args.config.attention_worker.admin_port;
  const std::int64_t most = kAdminPortRange.max - offset - workers + 1;
  if (workers == 0 || port <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("attention_worker.admin_port: must be at most ", most, ", is ", port, "; ", kind,
                   " workers have theirs from ", offset, " ports behind it on"));
}

// Attention, whole and colocated workers share a section of the configuration, and are not to meet
// by it.
absl::Status CheckShared(const ClusterPlanArgs& args) {
  const ClusterConfig& cluster = args.config.cluster;
  RETURN_IF_ERROR(CheckAdminPorts(args, "whole", args.whole_admin_offset, cluster.whole_workers));
  RETURN_IF_ERROR(
      CheckAdminPorts(args, "colocated", args.colocated_admin_offset, cluster.colocated_workers));
  const int kinds = (cluster.attention_workers > 0 ? 1 : 0) + (cluster.whole_workers > 0 ? 1 : 0) +
                    (cluster.colocated_workers > 0 ? 1 : 0);
  if (kinds < 2) return absl::OkStatus();
  for (const std::string& listen : args.config.attention_worker.listen) {
    if (absl::EndsWith(listen, ":0")) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("attention_worker.listen: workers of several kinds cannot all listen at ",
                     listen, "; leave it empty, or name port 0"));
  }
  return absl::OkStatus();
}

}  // namespace

std::string RouterSocket(const std::string& runtime_dir) {
  return absl::StrCat("unix:", runtime_dir, "/router.sock");
}

absl::StatusOr<std::vector<ChildSpec>> PlanCluster(const ClusterPlanArgs& args) {
  RETURN_IF_ERROR(CheckShared(args));
  std::vector<ChildSpec> children;
  ASSIGN_OR_RETURN(ChildSpec router, Router(args));
  children.push_back(std::move(router));
  const ClusterConfig& cluster = args.config.cluster;
  for (const auto& [kind, count] :
       {std::pair(ChildKind::kWholeWorker, cluster.whole_workers),
        std::pair(ChildKind::kColocatedWorker, cluster.colocated_workers),
        std::pair(ChildKind::kAttentionWorker, cluster.attention_workers),
        std::pair(ChildKind::kExpertWorker, cluster.expert_workers)}) {
    for (std::int64_t i = 0; i < count; ++i) {
      ASSIGN_OR_RETURN(ChildSpec worker, PlanWorker(args, kind, i, count));
      children.push_back(std::move(worker));
    }
  }
  return children;
}

absl::StatusOr<ChildSpec> PlanWorker(const ClusterPlanArgs& args, ChildKind kind,
                                     std::int64_t index, std::int64_t workers) {
  const bool on_gpu = args.config.engine.device == DeviceChoice::kCuda;
  switch (kind) {
    case ChildKind::kAttentionWorker:
      if (!on_gpu) return AttentionWorker(args, index, workers);
      break;
    case ChildKind::kExpertWorker:
      if (!on_gpu) return ExpertWorker(args, index, workers);
      return DeviceWorker(args, kind, index, ExpertThreads(args, workers));
    default:
      break;
  }
  return DeviceWorker(args, kind, index, AttentionThreads(args, workers));
}

}  // namespace sextant::cli
