#include "expert_worker/program/expert_settings.h"

#include "common/rpc/unix_socket.h"

namespace sextant {

ExpertWorkerConfig ExpertSettings(const WorkerFlags& flags, const Config& config) {
  ExpertWorkerConfig own = config.expert_worker;
  LayOver(flags.program.admin_port, own.admin_port);
  LayOver(flags.listen, own.listen);
  if (own.listen.empty()) own.listen.push_back(OwnUnixTarget(flags.runtime_dir, "expert"));
  return own;
}

}  // namespace sextant
