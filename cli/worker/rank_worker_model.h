// What a worker of a cluster computes with that is one GPU of several: the attention half of the
// model for sequences of its own, and, where it is colocated, a shard of the routed experts.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "attention_worker/service/worker_model.h"
#include "attention_worker/serving/rank_wait.h"
#include "cli/engine/device_rank.h"
#include "cli/worker/rank_control.h"
#include "cli/worker/rank_device.h"

namespace sextant::cli {

class RankWorkerModel final : public WorkerModel {
 public:
  // For ROLE_ATTENTION or ROLE_COLOCATED. Errors: those of OpenRankDevice.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<WorkerModel>> Open(
      const WorkerModelArgs& args, const RankDevice& device);
  ~RankWorkerModel() override;

  [[nodiscard]] std::vector<std::string> profiles() const override { return {kRankProfile}; }
  [[nodiscard]] LatentCache& cache() override { return opened_.rank->cache(); }
  [[nodiscard]] v1::Role role() const override { return role_; }
  [[nodiscard]] std::string rank_layout() const override { return opened_.layout; }
  [[nodiscard]] std::vector<grpc::Service*> services() override {
    return {&opened_.control->service()};
  }
  [[nodiscard]] absl::Status Build(const std::string& profile,
                                   const std::string& worker_id) override;
  [[nodiscard]] StepModel& step_model() override { return opened_.rank->transformer(); }
  [[nodiscard]] IdleWait* idle_wait() override { return &idle_wait_; }
  [[nodiscard]] absl::Status Check() override;

  [[nodiscard]] absl::Status Prepare(const v1::Placement& placement) override {
    return opened_.control->Prepare(placement, worker_id_);
  }
  void Commit(std::uint64_t epoch) override { opened_.control->Commit(epoch); }
  void Supersede(std::uint64_t epoch) override { opened_.control->Supersede(epoch); }
  void Halt(std::uint64_t before) override { opened_.control->Halt(before); }
  void Retire(std::uint64_t epoch) override { opened_.control->Retire(epoch); }
  void StopWaiting() override { opened_.control->StopSteps(); }

 private:
  RankWorkerModel(v1::Role role, OpenedRank opened)
      : role_(role), opened_(std::move(opened)), idle_wait_(opened_.rank->exchange()) {}

  const v1::Role role_;
  OpenedRank opened_;
  RankWait idle_wait_;
  std::string worker_id_;
};

}  // namespace sextant::cli
