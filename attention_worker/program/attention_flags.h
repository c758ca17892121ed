// The flags of a program that is an attention worker, or a whole one (cli/worker.cc).
#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "attention_worker/service/attention_worker.h"
#include "common/program/worker_program.h"

namespace sextant {

struct AttentionFlags {
  WorkerFlags worker;
  std::optional<std::int64_t> cache_tokens;
  std::optional<std::int64_t> max_batch_tokens;
  std::optional<std::int64_t> max_sequences;
  std::optional<bool> prefix_cache;
};

// `cache_default` says how many tokens the cache holds where nobody says so. `flags` outlives the
// parse.
void AddAttentionFlags(CLI::App& app, const char* cache_default, AttentionFlags& flags);

// The file's settings with the flags laid over them. Without an address to listen on there, it is a
// unix socket whose name begins with `socket`. Errors: those of ReadWorkerConfig.
[[nodiscard]] absl::StatusOr<Config> ReadAttentionConfig(const AttentionFlags& flags,
                                                         const char* socket);

// What the worker is started with, but for its model.
[[nodiscard]] AttentionWorker::Options AttentionOptions(const AttentionFlags& flags,
                                                        const Config& config);

}  // namespace sextant
