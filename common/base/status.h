// Passing absl::Status up the stack, adding what the caller knows on the way.
//
// Abseil as Debian builds it has its own absl::string_view, so messages are built with
// absl::StrCat from absl::string_view, const char*, std::string and numbers.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace sextant {

// The same code with "context: " before the message; OK stays OK.
[[nodiscard]] absl::Status AddContext(const absl::Status& status, absl::string_view context);

}  // namespace sextant

#define SEXTANT_CONCAT_INNER(a, b) a##b
#define SEXTANT_CONCAT(a, b) SEXTANT_CONCAT_INNER(a, b)

// Returns the status of `expression` from the enclosing function unless it is OK.
#define RETURN_IF_ERROR(expression)                                         \
  do {                                                                      \
    if (absl::Status sextant_status = (expression); !sextant_status.ok()) { \
      return sextant_status;                                                \
    }                                                                       \
  } while (false)

// ASSIGN_OR_RETURN(auto value, Compute()): the value, or return the error.
#define ASSIGN_OR_RETURN(lhs, expression) \
  SEXTANT_ASSIGN_OR_RETURN_INNER(SEXTANT_CONCAT(sextant_or_, __LINE__), lhs, expression)
#define SEXTANT_ASSIGN_OR_RETURN_INNER(tmp, lhs, expression) \
  auto tmp = (expression);                                   \
  if (!tmp.ok()) return std::move(tmp).status();             \
  lhs = *std::move(tmp)
