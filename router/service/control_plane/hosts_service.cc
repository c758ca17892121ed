#include "router/service/control_plane/hosts_service.h"

#include <memory>
#include <utility>

#include "router/service/control_plane/peer_reactor.h"

namespace sextant {

grpc::ServerBidiReactor<v1::HostReport, v1::HostOrders>* HostsService::Follow(
    grpc::CallbackServerContext* context) {
  return PeerReactor<v1::HostReport, v1::HostOrders>::Open(
      {.open =
           [this](std::shared_ptr<HostStream> stream) {
             return coordinator_.OpenHost(std::move(stream));
           },
       .receive =
           [this](StreamId stream, v1::HostReport report) {
             return coordinator_.ReceiveHost(stream, std::move(report));
           },
       .close = [this](StreamId stream) { coordinator_.CloseHost(stream); }},
      *context);
}

}  // namespace sextant
