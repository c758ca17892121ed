// One GetCommunicatorId call.
//
// Ownership: gRPC until OnDone, and the host while it waits.
// Threads:   any.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "common/base/mutex.h"
#include "common/exchange/ranks/conductor_host.h"
#include "proto/sextant/v1/ranks.pb.h"

namespace sextant {

class IdCall final : public grpc::ServerUnaryReactor, public IdListener {
 public:
  // `host` outlives the call.
  [[nodiscard]] static IdCall* Start(ConductorHost& host,
                                     const v1::GetCommunicatorIdRequest& request,
                                     v1::GetCommunicatorIdResponse& response);

  void OnId(const absl::StatusOr<std::string>& id) override;

 private:
  IdCall(ConductorHost& host, v1::GetCommunicatorIdResponse& response)
      : host_(host), response_(response) {}

  void OnCancel() override;
  void OnDone() override;

  ConductorHost& host_;
  v1::GetCommunicatorIdResponse& response_;  // until it is finished
  std::shared_ptr<IdCall> self_;             // until OnDone

  Mutex mutex_;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace sextant
