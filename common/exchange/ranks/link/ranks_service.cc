#include "common/exchange/ranks/link/ranks_service.h"

#include "absl/strings/str_cat.h"
#include "common/exchange/ranks/link/attend_reactor.h"
#include "common/exchange/ranks/link/id_call.h"
#include "common/rpc/refusal.h"

namespace sextant {

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* RanksService::Attend(
    grpc::CallbackServerContext* /*context*/) {
  if (streams_.fetch_add(1) >= kMaxStreams) {
    streams_.fetch_sub(1);
    return new Refusal(absl::ResourceExhaustedError(
        absl::StrCat("this process already serves ", kMaxStreams, " ranks")));
  }
  return AttendReactor::Start(host_, [this] { streams_.fetch_sub(1); });
}

grpc::ServerUnaryReactor* RanksService::GetCommunicatorId(
    grpc::CallbackServerContext* /*context*/, const v1::GetCommunicatorIdRequest* request,
    v1::GetCommunicatorIdResponse* response) {
  return IdCall::Start(host_, *request, *response);
}

}  // namespace sextant
