#include "common/config/node_config.h"

#include "common/config/role_config.h"

namespace sextant {

void ReadNodeSection(YamlReader& root, NodeConfig* config) {
  root.Section("node", [config](YamlReader& node) {
    node.String("router", &config->router);
    node.String("model", &config->model);
    node.Int("whole_workers", &config->whole_workers, kNodeWorkersRange);
    if (config->whole_workers > 0) config->attention_workers = config->expert_workers = 0;
    node.Int("attention_workers", &config->attention_workers, kNodeWorkersRange);
    node.Int("expert_workers", &config->expert_workers, kNodeWorkersRange);
    node.Strings("listen", &config->listen, kMaxListenTargets);
    node.Int("worker_port", &config->worker_port, kNodeWorkerPortRange);
    node.Int("admin_port", &config->admin_port, kAdminPortRange);
    node.Int("worker_admin_port", &config->worker_admin_port, kNodeWorkerAdminPortRange);
  });
}

}  // namespace sextant
