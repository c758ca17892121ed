#include "common/rpc/status.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "proto/sextant/v1/error_details.pb.h"

namespace sextant {

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const auto code = static_cast<grpc::StatusCode>(status.code());
  const std::string message(status.message().data(), status.message().size());
  v1::RichStatus rich;
  rich.set_code(static_cast<int>(code));
  rich.set_message(message);
  status.ForEachPayload([&rich](absl::string_view type_url, const absl::Cord& value) {
    v1::RichDetail& detail = *rich.add_details();
    detail.set_type_url(std::string(type_url.data(), type_url.size()));
    detail.set_value(std::string(value));
  });
  if (rich.details().empty()) return {code, message};
  return {code, message, rich.SerializeAsString()};
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const int number = status.error_code();
  const bool known = number > 0 && number <= static_cast<int>(absl::StatusCode::kUnauthenticated);
  absl::Status result(known ? static_cast<absl::StatusCode>(number) : absl::StatusCode::kUnknown,
                      status.error_message());
  v1::RichStatus rich;
  if (rich.ParseFromString(status.error_details())) {
    for (const v1::RichDetail& detail : rich.details()) {
      result.SetPayload(detail.type_url(), absl::Cord(detail.value()));
    }
  }
  return result;
}

}  // namespace sextant
