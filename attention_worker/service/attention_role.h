// The attention worker's part in the cluster's epochs: opens streams to the holders of experts, and
// switches to a placement when it is told.
//
// Threads:   those of the member (member.h).
#pragma once

#include <cstdint>
#include <functional>

#include "absl/time/time.h"
#include "attention_worker/serving/engine_thread.h"
#include "common/exchange/grpc_exchange.h"
#include "common/membership/member.h"

namespace sextant {

class AttentionRole final : public MemberRole {
 public:
  // All outlive the role. `on_health` is told at every heartbeat whether the engine moves.
  AttentionRole(GrpcExchange& exchange, const EngineThread& engine,
                std::function<void(bool)> on_health)
      : exchange_(exchange), engine_(engine), on_health_(std::move(on_health)) {}

  [[nodiscard]] absl::Status Prepare(const v1::Placement& placement) override {
    return exchange_.Prepare(placement);
  }
  void Commit(std::uint64_t epoch) override { exchange_.Commit(epoch); }
  void Supersede(std::uint64_t epoch) override { exchange_.Supersede(epoch); }
  void Retire(std::uint64_t /*epoch*/) override {}
  void FillHeartbeat(v1::Heartbeat& beat) override;

 private:
  [[nodiscard]] double TokensPerSecond(std::int64_t generated);

  GrpcExchange& exchange_;
  const EngineThread& engine_;
  std::function<void(bool)> on_health_;
  // Of the heartbeat thread: where the rate was measured last, and what it was.
  absl::Time measured_ = absl::InfinitePast();
  std::int64_t generated_ = 0;
  double rate_ = 0.0;
};

}  // namespace sextant
