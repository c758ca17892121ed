// The idle wait of an engine that is one rank of several: it takes part in the steps of the others,
// without rows, until there is something to compute or to look at.
//
// A step of its own waits for an epoch at the gate, so that nothing pauses between two attempts;
// woken there without an epoch it is Unavailable, and the engine thread looks at its streams.
//
// Threads: as IdleWait. Where the gate is stopped, waits are as those of SignalWait.
// Errors:  of Wait: those of RankExchange::Serve; the engine cannot go on.
#pragma once

#include "attention_worker/serving/idle_wait.h"
#include "attention_worker/serving/wake_signal.h"
#include "common/exchange/ranks/rank_exchange.h"

namespace sextant {

class RankWait final : public IdleWait {
 public:
  // `exchange` outlives this.
  explicit RankWait(RankExchange& exchange) : exchange_(exchange) {}

  [[nodiscard]] absl::Status Wait() override;
  void WaitToRetry(const absl::Status& failed, absl::Duration pause) override;
  void Wake() override;
  [[nodiscard]] bool waits_for_others() const override { return exchange_.gate().waited_at(); }

 private:
  RankExchange& exchange_;
  WakeSignal away_;  // for waits that are not at the gate
};

}  // namespace sextant
