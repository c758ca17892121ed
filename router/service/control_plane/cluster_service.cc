#include "router/service/control_plane/cluster_service.h"

#include "router/service/control_plane/join_reactor.h"

namespace sextant {

grpc::ServerBidiReactor<v1::WorkerMessage, v1::CoordinatorMessage>* ClusterService::Join(
    grpc::CallbackServerContext* context) {
  return JoinReactor::Open(coordinator_, *context);
}

}  // namespace sextant
