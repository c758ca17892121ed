#include "common/rpc/status.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "proto/sextant/v1/error_details.pb.h"

namespace sextant {
namespace {

// Both travel in trailers, of which a peer takes 8 KiB in all by default and breaks the connection
// beyond. A byte of the message takes up to three there, and is there again in the details.
constexpr std::size_t kMostMessageBytes = 1024;
constexpr std::size_t kMostDetailBytes = 2048;

std::string Cut(absl::string_view message) {
  if (message.size() <= kMostMessageBytes) return std::string(message);
  std::size_t end = kMostMessageBytes;
  while (end > 0 && (message[end] & 0xC0) == 0x80) --end;  // not within a character of UTF-8
  return absl::StrCat(message.substr(0, end), "... (cut, ", message.size(), " bytes)");
}

}  // namespace

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const auto code = static_cast<grpc::StatusCode>(status.code());
  const std::string message = Cut(status.message());
  v1::RichStatus rich;
  rich.set_code(static_cast<int>(code));
  rich.set_message(message);
  std::size_t room = kMostDetailBytes;
  status.ForEachPayload([&](absl::string_view type_url, const absl::Cord& value) {
    const std::size_t bytes = type_url.size() + value.size();
    if (bytes > room) return;
    room -= bytes;
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
