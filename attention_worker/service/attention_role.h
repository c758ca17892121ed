// The attention worker's part in the cluster: what it says of itself at every heartbeat, and, where
// its experts are elsewhere, the epochs.
//
// Threads:   those of the member (member.h).
#pragma once

#include <cstdint>
#include <functional>

#include "absl/time/time.h"
#include "attention_worker/service/worker_model.h"
#include "attention_worker/serving/engine_thread.h"
#include "common/membership/member.h"

namespace sextant {

class AttentionRole final : public MemberRole {
 public:
  // All outlive the role. `on_health` is told at every heartbeat whether the engine moves.
  AttentionRole(WorkerModel& model, const EngineThread& engine, std::function<void(bool)> on_health)
      : model_(model), engine_(engine), on_health_(std::move(on_health)) {}

  [[nodiscard]] absl::Status Prepare(const v1::Placement& placement) override {
    return model_.Prepare(placement);
  }
  void Commit(std::uint64_t epoch) override { model_.Commit(epoch); }
  void Supersede(std::uint64_t epoch) override { model_.Supersede(epoch); }
  void Halt(std::uint64_t before) override { model_.Halt(before); }
  void Retire(std::uint64_t epoch) override { model_.Retire(epoch); }
  void FillHeartbeat(v1::Heartbeat& beat) override;

 private:
  [[nodiscard]] double TokensPerSecond(std::int64_t generated);

  WorkerModel& model_;
  const EngineThread& engine_;
  std::function<void(bool)> on_health_;
  // Of the heartbeat thread: where the rate was measured last, and what it was.
  absl::Time measured_ = absl::InfinitePast();
  std::int64_t generated_ = 0;
  double rate_ = 0.0;
};

}  // namespace sextant
