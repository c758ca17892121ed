#include "expert_worker/service/expert_service.h"

#include "absl/strings/str_cat.h"
#include "common/rpc/refusal.h"

namespace sextant {

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* ExpertService::Exchange(
    grpc::CallbackServerContext*) {
  if (streams_.fetch_add(1) >= kMaxStreams) {
    streams_.fetch_sub(1);
    return new Refusal(absl::ResourceExhaustedError(
        absl::StrCat("this expert worker already serves ", kMaxStreams, " streams")));
  }
  return ExchangeStream::Start(worker_, [this] { streams_.fetch_sub(1); });
}

}  // namespace sextant
