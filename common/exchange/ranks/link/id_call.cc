#include "common/exchange/ranks/link/id_call.h"

#include <utility>

#include "absl/status/status.h"
#include "common/rpc/status.h"

namespace sextant {

IdCall* IdCall::Start(ConductorHost& host, const v1::GetCommunicatorIdRequest& request,
                      v1::GetCommunicatorIdResponse& response) {
  std::shared_ptr<IdCall> call(new IdCall(host, response));
  call->self_ = call;
  if (request.epoch() == 0) {
    call->OnId(absl::InvalidArgumentError("epochs are counted from 1"));
  } else {
    host.WaitForId(request.epoch(), call);
  }
  return call.get();
}

void IdCall::OnId(const absl::StatusOr<std::string>& id) {
  const MutexLock lock(mutex_);
  if (std::exchange(finished_, true)) return;
  if (id.ok()) response_.set_id(*id);
  Finish(ToGrpc(id.status()));
}

void IdCall::OnCancel() {
  host_.StopWaiting(this);
  OnId(absl::CancelledError("whoever asked waits no longer"));
}

void IdCall::OnDone() {
  const std::shared_ptr<IdCall> last = std::move(self_);  // destroyed after this returns
}

}  // namespace sextant
