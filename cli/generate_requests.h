// `sextant generate --requests`: many prompts at once, continuously batched.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "cli/engine/local_engine.h"
#include "cli/generation_flags.h"
#include "cli/text_stream.h"

namespace sextant::cli {

// Reads one JSON request per line of `path` ("-": standard input) and writes one JSON line per
// request, in order, {"text":"...","ids":[...],"finish_reason":"stop"}, to standard output. Fields
// that a request leaves out are those of `defaults`.
// Errors: InvalidArgument naming the line; nothing is generated unless every line is sound.
[[nodiscard]] absl::Status GenerateRequests(const std::string& path,
                                            const GenerationFlags& defaults, LocalEngine& local,
                                            const ModelText& text);

}  // namespace sextant::cli
