// Membership, epochs and administration of a router, put together: the coordinator's thread and the
// three services that speak with it.
//
//   ControlPlane control(config, queue_status);
//   control.directory().Subscribe(listener);
//   ... RpcServer::Start({.services = {..., control.cluster(), control.hosts(), control.admin()}})
//   ... control.Start();
//
// Shutdown:  Stop ends the streams of workers, which then look for the next router; after it the
//            listener is not called any more. The server goes before the ControlPlane.
#pragma once

#include <functional>

#include "router/coordinator/coordinator_thread.h"
#include "router/service/control_plane/admin_service.h"
#include "router/service/control_plane/cluster_service.h"
#include "router/service/control_plane/hosts_service.h"

namespace sextant {

class ControlPlane {
 public:
  // `queue_status` is called by the coordinator's thread, and must not block.
  // `metrics`, if there are any, outlive it.
  ControlPlane(CoordinatorConfig config, std::function<v1::QueueStatus()> queue_status,
               Metrics* metrics = nullptr)
      : coordinator_(std::move(config), std::move(queue_status), metrics) {}

  [[nodiscard]] AttentionDirectory& directory() { return coordinator_; }
  // Among others the numeric profile and the model, once a worker has joined.
  [[nodiscard]] StatusBoard::Snapshot status() { return coordinator_.board().newest(); }
  [[nodiscard]] grpc::Service* cluster() { return &cluster_; }
  [[nodiscard]] grpc::Service* hosts() { return &hosts_; }
  [[nodiscard]] grpc::Service* admin() { return &admin_; }

  // May be called from any thread.
  void SetPlacement(const PlacementSettings& settings) { coordinator_.SetPlacement(settings); }

  void Start() { coordinator_.Start(); }
  void Stop() { coordinator_.Stop(); }

 private:
  CoordinatorThread coordinator_;
  ClusterService cluster_{coordinator_};
  HostsService hosts_{coordinator_};
  AdminService admin_{coordinator_};
};

}  // namespace sextant
