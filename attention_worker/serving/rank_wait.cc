#include "attention_worker/serving/rank_wait.h"

namespace sextant {

absl::Status RankWait::Wait() {
  const absl::Status served = exchange_.Serve().status();
  if (!absl::IsCancelled(served)) return served;
  away_.Wait();
  return absl::OkStatus();
}

void RankWait::WaitToRetry(const absl::Status& failed, absl::Duration pause) {
  if (!absl::IsUnavailable(failed)) away_.Wait(pause);
}

void RankWait::Wake() {
  exchange_.gate().Wake();
  away_.Notify();
}

}  // namespace sextant
