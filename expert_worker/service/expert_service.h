// The service sextant.v1.Expert: every stream's frames to one dispatch worker.
//
// Bounds:    kMaxStreams at once; further ones are refused with RESOURCE_EXHAUSTED. The dispatch
//            worker's queue has to hold kMaxDispatches.
// Threads:   gRPC's.
// Shutdown:  shut the server down first, then stop the dispatch worker, then destroy this.
#pragma once

#include <atomic>
#include <cstddef>

#include "expert_worker/dispatch/dispatch_worker.h"
#include "expert_worker/service/exchange_stream.h"
#include "proto/sextant/v1/expert.grpc.pb.h"

namespace sextant {

class ExpertService final : public v1::Expert::WithRawCallbackMethod_Exchange<v1::Expert::Service> {
 public:
  static constexpr int kMaxStreams = 64;
  static constexpr std::size_t kMaxDispatches = kMaxStreams * ExchangeStream::kMaxUnanswered;

  // `worker` outlives the service.
  explicit ExpertService(DispatchWorker& worker) : worker_(worker) {}

  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Exchange(
      grpc::CallbackServerContext* context) override;

  [[nodiscard]] int streams() const { return streams_.load(); }

 private:
  DispatchWorker& worker_;
  std::atomic<int> streams_ = 0;
};

}  // namespace sextant
