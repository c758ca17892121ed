// The expert worker's part in the cluster's epochs: maps, keeps and drops experts as it is told.
//
//   prepare  maps the experts that the placement has here; what is held goes on being served
//   commit   nothing changes here: who sends to whom is the attention workers' business
//   retire   drops what the committed placement does not have here
//
// Threads:   those of the member (member.h).
#pragma once

#include <cstdint>
#include <string>

#include "common/membership/member.h"
#include "common/observability/log.h"
#include "expert_worker/dispatch/dispatch_worker.h"
#include "expert_worker/service/expert_metrics.h"
#include "expert_worker/store/expert_shard.h"

namespace sextant {

class ExpertRole final : public MemberRole {
 public:
  struct Parts {
    std::string worker_id;
    ExpertShard& shard;
    DispatchWorker& worker;
    ExpertMetrics& metrics;
    Logger log;
  };

  // Everything in `parts` outlives the role.
  explicit ExpertRole(Parts parts) : parts_(std::move(parts)) {}

  [[nodiscard]] absl::Status Prepare(const v1::Placement& placement) override;
  void Commit(std::uint64_t epoch) override;
  void Retire(std::uint64_t epoch) override;
  void FillHeartbeat(v1::Heartbeat& beat) override;

 private:
  Parts parts_;
  std::int64_t answered_ = 0;  // at the last heartbeat; the heartbeat thread's
};

}  // namespace sextant
