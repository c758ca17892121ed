// What an error tells a program besides its code and sentence: the field at fault, when to retry, a
// reason that can be compared. Kept as payloads of an absl::Status, in the form of google.rpc's
// details, so that domain code speaks of fields without speaking gRPC; common/rpc/status.h puts
// them on the wire.
//
// Every function leaves an OK status as it is, and replaces a detail of its kind, but for
// WithField, which adds one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace sextant {

struct FieldProblem {
  std::string field;        // "params.sampling.top_p"
  std::string description;  // what is wrong, and what would be right
};

// InvalidArgument whose message is "FIELD: description".
[[nodiscard]] absl::Status FieldError(absl::string_view field, absl::string_view description);

// The status with its message as the description of a problem of `field`.
[[nodiscard]] absl::Status WithField(absl::Status status, absl::string_view field);

[[nodiscard]] absl::Status WithRetryDelay(absl::Status status, absl::Duration delay);

// `reason` in UPPER_SNAKE_CASE: "QUEUE_FULL".
[[nodiscard]] absl::Status WithReason(
    absl::Status status, absl::string_view reason,
    const std::vector<std::pair<std::string, std::string>>& metadata = {});

[[nodiscard]] absl::Status WithRequestId(absl::Status status, absl::string_view request_id);

[[nodiscard]] std::vector<FieldProblem> FieldProblems(const absl::Status& status);
[[nodiscard]] std::optional<absl::Duration> RetryDelay(const absl::Status& status);
[[nodiscard]] std::optional<std::string> Reason(const absl::Status& status);
[[nodiscard]] std::optional<std::string> RequestId(const absl::Status& status);

}  // namespace sextant
