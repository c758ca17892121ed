// Standard input and output as bytes, with errors.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sextant::cli {

// All of standard input. InvalidArgument beyond `most_bytes`, Unavailable when reading fails.
[[nodiscard]] absl::StatusOr<std::string> ReadStandardInput(std::size_t most_bytes);

// Writes and flushes. Unavailable with the system's reason when not all could be written.
[[nodiscard]] absl::Status WriteStandardOutput(std::string_view bytes);

// One line on standard error, which a terminal shows in place of the last one and nothing else
// does; empty: takes it away.
void ShowOnTerminal(const std::string& line);

}  // namespace sextant::cli
