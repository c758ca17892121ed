#include "cli/client/status_text.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/errors/error_details.h"

namespace sextant::cli {

std::string StatusText(const absl::Status& status, const std::string& target) {
  std::string text = absl::StrCat(absl::StatusCodeToString(status.code()), ": ", status.message());
  if (const std::optional<std::string> reason = Reason(status)) {
    absl::StrAppend(&text, " (", *reason, ")");
  } else if (status.code() == absl::StatusCode::kUnavailable) {
    absl::StrAppend(&text, "; is a router running at ", target,
                    "? Start one with `sextant up`, or name another with --router");
  }
  if (const std::optional<absl::Duration> delay = RetryDelay(status)) {
    absl::StrAppend(&text, "; try again in ", absl::FormatDuration(*delay));
  }
  return text;
}

}  // namespace sextant::cli
