// sextant.v1.Hosts: hands the streams of process hosts to the coordinator's thread.
#pragma once

#include "proto/sextant/v1/hosts.grpc.pb.h"
#include "router/coordinator/coordinator_thread.h"

namespace sextant {

class HostsService final : public v1::Hosts::CallbackService {
 public:
  // `coordinator` outlives the server.
  explicit HostsService(CoordinatorThread& coordinator) : coordinator_(coordinator) {}

 private:
  grpc::ServerBidiReactor<v1::HostReport, v1::HostOrders>* Follow(
      grpc::CallbackServerContext* context) override;

  CoordinatorThread& coordinator_;
};

}  // namespace sextant
