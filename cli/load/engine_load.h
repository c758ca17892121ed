// The load of load_run.h on an engine in this process: what a GPU or a CPU gives many streams at
// once, with no cluster and no network around it.
#pragma once

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "attention_worker/engine/engine.h"
#include "cli/load/load_run.h"

namespace sextant::cli {

// A closed loop on the calling thread, which owns the engine. Requests are those of
// MakeLoadRequest. Errors: those of the engine.
[[nodiscard]] absl::StatusOr<LoadResult> RunLoadOnEngine(
    Engine& engine, const LoadOptions& options,
    absl::FunctionRef<void(std::int64_t ended)> progress);

}  // namespace sextant::cli
