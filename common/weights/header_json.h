// The JSON of a safetensors header, read token by token: the reader holds only what a header may
// hold, so a hostile one of 100 MB costs no more memory than a valid one.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/weights/safetensors_header.h"

namespace sextant {

// Entries as written, with offsets still relative to the data; nothing but the JSON's form is
// checked (types, no key twice, no key missing, no negative number).
[[nodiscard]] absl::StatusOr<std::vector<TensorEntry>> ParseHeaderJson(absl::string_view json,
                                                                       const std::string& source);

}  // namespace sextant
