// What an operator may set about each role, and about a cluster that `sextant up` runs: the
// sections `router`, `attention_worker`, `expert_worker` and `cluster` of the configuration
// (config.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/config/engine_config.h"
#include "common/config/yaml_reader.h"
#include "common/observability/log.h"

namespace sextant {

// -1: no metrics page; 0: any free port.
inline constexpr IntRange kAdminPortRange = {.min = -1, .max = 65535};
inline constexpr IntRange kQueueRange = {.min = 1, .max = 1 << 20};
inline constexpr IntRange kWaitSecondsRange = {.min = 1, .max = 86400};
inline constexpr IntRange kMaxSequencesRange = {.min = 1, .max = 4096};
inline constexpr IntRange kAttentionWorkersRange = {.min = 0, .max = 64};
inline constexpr IntRange kExpertWorkersRange = {.min = 0, .max = 64};
inline constexpr IntRange kWholeWorkersRange = {.min = 0, .max = 64};
inline constexpr IntRange kColocatedWorkersRange = {.min = 0, .max = 64};
inline constexpr IntRange kDrainSecondsRange = {.min = 0, .max = 86400};
inline constexpr IntRange kSpareExpertsRange = {.min = 0, .max = 64};
inline constexpr IntRange kReplicatedExpertsRange = {.min = 0, .max = 1024};
inline constexpr std::size_t kMaxListenTargets = 16;

struct RouterConfig {
  // gRPC targets: "127.0.0.1:7070", "0.0.0.0:7070", "unix:/run/sextant/router.sock".
  std::vector<std::string> listen = {"127.0.0.1:7070"};
  std::int64_t queue = 256;  // requests that wait for a worker; more are refused
  // That a request without a deadline may wait while no worker can serve it.
  std::int64_t wait_seconds = 30;
  std::string served_model_name;  // empty: the name of the model's folder
  std::int64_t admin_port = 0;
  bool rebalance = false;  // move experts by load without being asked
  // How many experts more than an even share a worker may hold where that evens out the load.
  std::int64_t spare_experts = 0;
  std::int64_t replicated_experts = 0;  // so many, the hottest, are held by two workers

  friend bool operator==(const RouterConfig&, const RouterConfig&) = default;
};

struct AttentionWorkerConfig {
  std::vector<std::string> listen;  // empty: a unix socket, for this host alone
  std::int64_t max_sequences = 64;  // computed at once; more wait
  bool prefix_cache = true;
  std::int64_t admin_port = 0;

  friend bool operator==(const AttentionWorkerConfig&, const AttentionWorkerConfig&) = default;
};

struct ExpertWorkerConfig {
  std::vector<std::string> listen;  // empty: a unix socket, for this host alone
  std::int64_t admin_port = 0;

  friend bool operator==(const ExpertWorkerConfig&, const ExpertWorkerConfig&) = default;
};

struct ClusterConfig {
  // Each computes a whole model, so needs none of the others; or, the next one, all of them one
  // model together, on a GPU each. Where a file sets either, the two after these are 0 unless it
  // sets them too.
  std::int64_t whole_workers = 0;
  std::int64_t colocated_workers = 0;
  std::int64_t attention_workers = 1;
  std::int64_t expert_workers = 2;
  std::int64_t drain_seconds = 30;  // that running streams get to end, after the first signal
  LogLevel log_level = LogLevel::kInfo;
  std::string admin_host = "127.0.0.1";  // IPv4 address that every process's metrics page is at

  friend bool operator==(const ClusterConfig&, const ClusterConfig&) = default;
};

// Workers of one host.
struct WorkerCounts {
  std::int64_t whole = 0;
  std::int64_t colocated = 0;
  std::int64_t attention = 0;
  std::int64_t experts = 0;
};

// Whether they have processors or GPUs of their own, and compute alike. Attention and expert
// workers are on GPUs where `device` is cuda, and on CPUs else. Errors: InvalidArgument where not.
[[nodiscard]] absl::Status CheckDevices(const WorkerCounts& counts, DeviceChoice device);

// Whether workers in these numbers can serve. Errors: InvalidArgument where there are attention
// workers and no expert workers, or the other way round; and for no workers at all.
[[nodiscard]] absl::Status CheckWorkerCounts(const ClusterConfig& config);

// Each declares the section's keys on the root of a file.
void ReadRouterSection(YamlReader& root, RouterConfig* config);
void ReadAttentionWorkerSection(YamlReader& root, AttentionWorkerConfig* config);
void ReadExpertWorkerSection(YamlReader& root, ExpertWorkerConfig* config);
void ReadClusterSection(YamlReader& root, ClusterConfig* config);

}  // namespace sextant
