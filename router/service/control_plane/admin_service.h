// sextant.v1.Admin: what operators ask; draining, scaling and rebalancing.
//
// Errors: ResourceExhausted beyond a number of calls that watch; those of Coordinator's Drain,
// Scale and Rebalance; Aborted for a Scale whose place a later one has taken.
#pragma once

#include <atomic>
#include <cstddef>

#include "proto/sextant/v1/admin.grpc.pb.h"
#include "router/coordinator/coordinator_thread.h"

namespace sextant {

class AdminService final : public v1::Admin::CallbackService {
 public:
  // `coordinator` outlives the server.
  explicit AdminService(CoordinatorThread& coordinator) : coordinator_(coordinator) {}

 private:
  grpc::ServerUnaryReactor* Status(grpc::CallbackServerContext* context,
                                   const v1::StatusRequest* request,
                                   v1::ClusterStatus* response) override;
  grpc::ServerWriteReactor<v1::ClusterStatus>* Watch(grpc::CallbackServerContext* context,
                                                     const v1::StatusRequest* request) override;
  grpc::ServerWriteReactor<v1::ChangeProgress>* Scale(grpc::CallbackServerContext* context,
                                                      const v1::ScaleRequest* request) override;
  grpc::ServerWriteReactor<v1::ChangeProgress>* Drain(grpc::CallbackServerContext* context,
                                                      const v1::DrainRequest* request) override;
  grpc::ServerWriteReactor<v1::ChangeProgress>* Rebalance(
      grpc::CallbackServerContext* context, const v1::RebalanceRequest* request) override;

  // Makes the reactor of a call; `begin` is called with it, unless too many calls watch already.
  template <typename Message, typename Begin>
  grpc::ServerWriteReactor<Message>* Answer(std::size_t most_waiting, const Begin& begin);

  CoordinatorThread& coordinator_;
  std::atomic<int> watching_ = 0;
};

}  // namespace sextant
