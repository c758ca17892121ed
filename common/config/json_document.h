// JSON text to a document, with the checks that every file from outside needs.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json_fwd.hpp"

namespace sextant {

// `source` names the text in errors, usually its path.
//
// Errors: InvalidArgument with line and column for text that is not JSON, for a key that one
//         object has twice (which of the two counts would be a guess), for nesting beyond 100.
[[nodiscard]] absl::StatusOr<nlohmann::json> ParseJson(absl::string_view text,
                                                       absl::string_view source);

// ParseJson over a file of at most `max_bytes`. Errors: those of ReadFile as well.
[[nodiscard]] absl::StatusOr<nlohmann::json> ReadJsonFile(const std::string& path,
                                                          std::int64_t max_bytes);

// What a JSON library's exception says, without its "[json.exception...] " prefix, and of the text
// that it quotes at most 32 bytes, escaped.
[[nodiscard]] std::string JsonErrorText(absl::string_view what);

}  // namespace sextant
