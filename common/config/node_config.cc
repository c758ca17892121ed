#include "common/config/node_config.h"

#include "common/config/role_config.h"

namespace sextant {
namespace {

constexpr std::int64_t kAbsent = -1;  // no count

}  // namespace

void ReadNodeSection(YamlReader& root, NodeConfig* config) {
  root.Section("node", [config](YamlReader& node) {
    node.String("router", &config->router);
    node.String("model", &config->model);
    // Also where it is 0: the file may have had more, and who lowers it asks for no others.
    const auto take = [&](const char* key, std::int64_t* workers) {
      std::int64_t count = kAbsent;
      node.Int(key, &count, kNodeWorkersRange);
      if (count == kAbsent) return;
      *workers = count;
      config->attention_workers = config->expert_workers = 0;
    };
    take("whole_workers", &config->whole_workers);
    take("colocated_workers", &config->colocated_workers);
    node.Int("attention_workers", &config->attention_workers, kNodeWorkersRange);
    node.Int("expert_workers", &config->expert_workers, kNodeWorkersRange);
    node.Strings("listen", &config->listen, kMaxListenTargets);
    node.Int("worker_port", &config->worker_port, kNodeWorkerPortRange);
    node.Int("admin_port", &config->admin_port, kAdminPortRange);
    node.Int("worker_admin_port", &config->worker_admin_port, kNodeWorkerAdminPortRange);
  });
}

}  // namespace sextant
