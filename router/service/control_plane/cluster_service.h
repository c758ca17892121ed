// sextant.v1.Cluster: hands the streams of workers to the coordinator's thread.
#pragma once

#include "proto/sextant/v1/cluster.grpc.pb.h"
#include "router/coordinator/coordinator_thread.h"

namespace sextant {

class ClusterService final : public v1::Cluster::CallbackService {
 public:
  // `coordinator` outlives the server.
  explicit ClusterService(CoordinatorThread& coordinator) : coordinator_(coordinator) {}

 private:
  grpc::ServerBidiReactor<v1::WorkerMessage, v1::CoordinatorMessage>* Join(
      grpc::CallbackServerContext* context) override;

  CoordinatorThread& coordinator_;
};

}  // namespace sextant
