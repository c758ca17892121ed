#include "common/errors/error_details.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "proto/sextant/v1/error_details.pb.h"

namespace sextant {
namespace {

constexpr char kBadRequest[] = "type.googleapis.com/google.rpc.BadRequest";
constexpr char kRetryInfo[] = "type.googleapis.com/google.rpc.RetryInfo";
constexpr char kErrorInfo[] = "type.googleapis.com/google.rpc.ErrorInfo";
constexpr char kRequestInfo[] = "type.googleapis.com/google.rpc.RequestInfo";

template <typename Message>
std::optional<Message> Find(const absl::Status& status, const char* type_url) {
  const absl::optional<absl::Cord> payload = status.GetPayload(type_url);
  Message message;
  if (!payload.has_value() || !message.ParseFromString(std::string(*payload))) return std::nullopt;
  return message;
}

template <typename Message>
absl::Status With(absl::Status status, const char* type_url, const Message& message) {
  if (!status.ok()) status.SetPayload(type_url, absl::Cord(message.SerializeAsString()));
  return status;
}

std::string Text(absl::string_view text) { return std::string(text.data(), text.size()); }

}  // namespace

absl::Status FieldError(absl::string_view field, absl::string_view description) {
  absl::Status status = absl::InvalidArgumentError(absl::StrCat(field, ": ", description));
  v1::BadRequest details;
  v1::FieldViolation& violation = *details.add_field_violations();
  violation.set_field(Text(field));
  violation.set_description(Text(description));
  return With(std::move(status), kBadRequest, details);
}

absl::Status WithField(absl::Status status, absl::string_view field) {
  auto details = Find<v1::BadRequest>(status, kBadRequest).value_or(v1::BadRequest());
  v1::FieldViolation& violation = *details.add_field_violations();
  violation.set_field(Text(field));
  violation.set_description(Text(status.message()));
  return With(std::move(status), kBadRequest, details);
}

absl::Status WithRetryDelay(absl::Status status, absl::Duration delay) {
  v1::RetryInfo details;
  absl::Duration rest;
  details.mutable_retry_delay()->set_seconds(absl::IDivDuration(delay, absl::Seconds(1), &rest));
  details.mutable_retry_delay()->set_nanos(static_cast<std::int32_t>(rest / absl::Nanoseconds(1)));
  return With(std::move(status), kRetryInfo, details);
}

absl::Status WithReason(absl::Status status, absl::string_view reason,
                        const std::vector<std::pair<std::string, std::string>>& metadata) {
  v1::ErrorInfo details;
  details.set_reason(Text(reason));
  details.set_domain("sextant");
  for (const auto& [key, value] : metadata) (*details.mutable_metadata())[key] = value;
  return With(std::move(status), kErrorInfo, details);
}

absl::Status WithRequestId(absl::Status status, absl::string_view request_id) {
  v1::RequestInfo details;
  details.set_request_id(Text(request_id));
  return With(std::move(status), kRequestInfo, details);
}

std::vector<FieldProblem> FieldProblems(const absl::Status& status) {
  std::vector<FieldProblem> problems;
  const auto details = Find<v1::BadRequest>(status, kBadRequest).value_or(v1::BadRequest());
  for (const v1::FieldViolation& violation : details.field_violations()) {
    problems.push_back({.field = violation.field(), .description = violation.description()});
  }
  return problems;
}

std::optional<absl::Duration> RetryDelay(const absl::Status& status) {
  const auto details = Find<v1::RetryInfo>(status, kRetryInfo);
  if (!details.has_value()) return std::nullopt;
  return absl::Seconds(details->retry_delay().seconds()) +
         absl::Nanoseconds(details->retry_delay().nanos());
}

std::optional<std::string> Reason(const absl::Status& status) {
  const auto details = Find<v1::ErrorInfo>(status, kErrorInfo);
  return details.has_value() ? std::optional(details->reason()) : std::nullopt;
}

std::optional<std::string> RequestId(const absl::Status& status) {
  const auto details = Find<v1::RequestInfo>(status, kRequestInfo);
  return details.has_value() ? std::optional(details->request_id()) : std::nullopt;
}

}  // namespace sextant
