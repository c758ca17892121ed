#include "common/config/role_config.h"

#include "absl/strings/str_cat.h"

namespace sextant {

void ReadRouterSection(YamlReader& root, RouterConfig* config) {
  root.Section("router", [config](YamlReader& router) {
    router.Strings("listen", &config->listen, kMaxListenTargets);
    router.Int("queue", &config->queue, kQueueRange);
    router.Int("wait_seconds", &config->wait_seconds, kWaitSecondsRange);
    router.String("served_model_name", &config->served_model_name);
    router.Int("admin_port", &config->admin_port, kAdminPortRange);
    router.Bool("rebalance", &config->rebalance);
    router.Int("spare_experts", &config->spare_experts, kSpareExpertsRange);
    router.Int("replicated_experts", &config->replicated_experts, kReplicatedExpertsRange);
  });
}

void ReadAttentionWorkerSection(YamlReader& root, AttentionWorkerConfig* config) {
  root.Section("attention_worker", [config](YamlReader& worker) {
    worker.Strings("listen", &config->listen, kMaxListenTargets);
    worker.Int("max_sequences", &config->max_sequences, kMaxSequencesRange);
    worker.Bool("prefix_cache", &config->prefix_cache);
    worker.Int("admin_port", &config->admin_port, kAdminPortRange);
  });
}

void ReadExpertWorkerSection(YamlReader& root, ExpertWorkerConfig* config) {
  root.Section("expert_worker", [config](YamlReader& worker) {
    worker.Strings("listen", &config->listen, kMaxListenTargets);
    worker.Int("admin_port", &config->admin_port, kAdminPortRange);
  });
}

absl::Status CheckDevices(const WorkerCounts& counts, DeviceChoice device) {
  const bool split = counts.attention + counts.experts > 0;
  if (counts.whole > 0 && counts.colocated > 0) {
    return absl::InvalidArgumentError(
        "whole and colocated workers of one host would take the same GPUs, from 0 on; run one kind "
        "here");
  }
  if (counts.colocated > 0 && split) {
    return absl::InvalidArgumentError(
        "colocated workers attend and hold experts, each on a GPU; run them, or attention and "
        "expert workers, not both on one host");
  }
  if (counts.whole > 0 && split && device == DeviceChoice::kCuda) {
    return absl::InvalidArgumentError(
        "whole workers and attention workers of one host would take the same GPUs, from 0 on; with "
        "engine.device cuda run one kind here");
  }
  return absl::OkStatus();
}

absl::Status CheckWorkerCounts(const ClusterConfig& config) {
  if ((config.attention_workers > 0) != (config.expert_workers > 0)) {
    return absl::InvalidArgumentError(absl::StrCat(
        config.attention_workers, " attention and ", config.expert_workers,
        " expert workers: they need each other, so run at least one of each, or whole workers"));
  }
  if (config.whole_workers + config.colocated_workers + config.attention_workers == 0) {
    return absl::InvalidArgumentError(
        "a cluster of no workers serves nothing; run whole workers, colocated ones, or attention "
        "and expert workers");
  }
  return absl::OkStatus();
}

void ReadClusterSection(YamlReader& root, ClusterConfig* config) {
  root.Section("cluster", [config](YamlReader& cluster) {
    cluster.Int("whole_workers", &config->whole_workers, kWholeWorkersRange);
    cluster.Int("colocated_workers", &config->colocated_workers, kColocatedWorkersRange);
    if (config->whole_workers + config->colocated_workers > 0) {
      config->attention_workers = config->expert_workers = 0;
    }
    cluster.Int("attention_workers", &config->attention_workers, kAttentionWorkersRange);
    cluster.Int("expert_workers", &config->expert_workers, kExpertWorkersRange);
    cluster.Int("drain_seconds", &config->drain_seconds, kDrainSecondsRange);
    cluster.Choice<LogLevel>("log_level", &config->log_level,
                             {{"debug", LogLevel::kDebug},
                              {"info", LogLevel::kInfo},
                              {"warning", LogLevel::kWarning},
                              {"error", LogLevel::kError}});
    cluster.String("admin_host", &config->admin_host);
  });
}

}  // namespace sextant
