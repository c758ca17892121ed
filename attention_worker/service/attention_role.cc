#include "attention_worker/service/attention_role.h"

#include "absl/time/clock.h"

namespace sextant {
namespace {

// A step of many prompt rows takes seconds on a small machine; a wait for experts moves too.
constexpr absl::Duration kPatience = absl::Seconds(30);
constexpr absl::Duration kRateWindow = absl::Seconds(1);

}  // namespace

void AttentionRole::FillHeartbeat(v1::Heartbeat& beat) {
  const EngineStats stats = engine_.stats();
  const bool progressing = engine_.Progressing(kPatience);
  beat.set_progressing(progressing);
  beat.set_running(stats.running);
  beat.set_waiting(stats.waiting);
  beat.set_free_blocks(stats.free_blocks);
  beat.set_tokens_per_second(TokensPerSecond(stats.generated_tokens));
  on_health_(progressing);
}

double AttentionRole::TokensPerSecond(std::int64_t generated) {
  const absl::Time now = absl::Now();
  if (now - measured_ >= kRateWindow) {
    rate_ = static_cast<double>(generated - generated_) / absl::ToDoubleSeconds(now - measured_);
    measured_ = now;
    generated_ = generated;
  }
  return rate_;
}

}  // namespace sextant
