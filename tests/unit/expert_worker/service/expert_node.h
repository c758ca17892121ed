// An expert worker without membership: a real server in this process, which a test can kill.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "common/exchange/frame.h"
#include "common/rpc/channel.h"
#include "common/rpc/server.h"
#include "expert_worker/service/expert_service.h"
#include "proto/sextant/v1/placement.pb.h"

namespace sextant {

class ExpertNode {
 public:
  // `listen` is a unix target, or "127.0.0.1:0".
  ExpertNode(std::string id, const std::string& listen, const DispatchWorker::Options& options,
             ServedExperts& experts)
      : id_(std::move(id)),
        worker_(std::make_unique<DispatchWorker>(options, experts)),
        service_(std::make_unique<ExpertService>(*worker_)) {
    auto server = RpcServer::Start(
        {.listen = {listen}, .services = {service_.get()}, .max_message_bytes = kMaxFrameBytes});
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    target_ = server_->targets()[0];
  }
  ~ExpertNode() { Kill(); }

  // Cuts every stream at once and stops listening, as a killed process does.
  void Kill() {
    if (server_ == nullptr) return;
    server_->Shutdown(absl::ZeroDuration());
    server_ = nullptr;
  }

  [[nodiscard]] DispatchWorker& worker() { return *worker_; }
  [[nodiscard]] const std::string& target() const { return target_; }

  [[nodiscard]] v1::PlacedWorker Placed(const std::vector<std::int32_t>& experts) const {
    v1::PlacedWorker placed;
    placed.set_worker_id(id_);
    placed.mutable_endpoint()->set_host_id(HostId());
    if (target_.rfind("unix:", 0) == 0) {
      placed.mutable_endpoint()->set_unix_target(target_);
    } else {
      placed.mutable_endpoint()->set_tcp_target(target_);
    }
    for (const std::int32_t expert : experts) placed.add_experts(expert);
    return placed;
  }

 private:
  std::string id_;
  std::unique_ptr<DispatchWorker> worker_;
  std::unique_ptr<ExpertService> service_;
  std::unique_ptr<RpcServer> server_;
  std::string target_;
};

inline v1::Placement PlacementOf(std::uint64_t epoch,
                                 const std::vector<v1::PlacedWorker>& workers) {
  v1::Placement placement;
  placement.set_epoch(epoch);
  for (const v1::PlacedWorker& worker : workers) *placement.add_expert_workers() = worker;
  return placement;
}

}  // namespace sextant
