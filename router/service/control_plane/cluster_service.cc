#include "router/service/control_plane/cluster_service.h"

#include <memory>
#include <utility>

#include "router/service/control_plane/peer_reactor.h"

namespace sextant {

grpc::ServerBidiReactor<v1::WorkerMessage, v1::CoordinatorMessage>* ClusterService::Join(
    grpc::CallbackServerContext* context) {
  return PeerReactor<v1::WorkerMessage, v1::CoordinatorMessage>::Open(
      {.open =
           [this](std::shared_ptr<CoordinatorStream> stream) {
             return coordinator_.Open(std::move(stream));
           },
       .receive =
           [this](StreamId stream, v1::WorkerMessage message) {
             return coordinator_.Receive(stream, std::move(message));
           },
       .close = [this](StreamId stream) { coordinator_.Close(stream); }},
      *context);
}

}  // namespace sextant
