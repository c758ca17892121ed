// The service sextant.v1.Ranks: every stream to one ConductorHost.
//
// Bounds:    kMaxStreams at once; further ones are refused with RESOURCE_EXHAUSTED.
// Threads:   gRPC's; nothing blocks.
// Shutdown:  shut the server down first, then destroy this, then the host.
#pragma once

#include <atomic>

#include "common/exchange/ranks/conductor_host.h"
#include "proto/sextant/v1/ranks.grpc.pb.h"

namespace sextant {

class RanksService final
    : public v1::Ranks::WithRawCallbackMethod_Attend<
          v1::Ranks::WithCallbackMethod_GetCommunicatorId<v1::Ranks::Service>> {
 public:
  static constexpr int kMaxStreams = 1024;

  // `host` outlives the service.
  explicit RanksService(ConductorHost& host) : host_(host) {}

  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Attend(
      grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* GetCommunicatorId(grpc::CallbackServerContext* context,
                                              const v1::GetCommunicatorIdRequest* request,
                                              v1::GetCommunicatorIdResponse* response) override;

  [[nodiscard]] int streams() const { return streams_.load(); }

 private:
  ConductorHost& host_;
  std::atomic<int> streams_ = 0;
};

}  // namespace sextant
