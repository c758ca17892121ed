#include "attention_worker/program/attention_flags.h"

#include "absl/strings/str_cat.h"
#include "common/device/thread_pool.h"
#include "common/rpc/unix_socket.h"

namespace sextant {

void AddAttentionFlags(CLI::App& app, const char* cache_default, AttentionFlags& flags) {
  AddWorkerFlags(app, flags.worker);
  app.add_option("--cache-tokens", flags.cache_tokens,
                 absl::StrCat("Tokens that the latent cache holds, all sequences together [",
                              cache_default, "]"))
      ->check(Within(kCacheTokensRange));
  app.add_option("--max-batch-tokens", flags.max_batch_tokens, "Rows of one step at most [512]")
      ->check(Within(kMaxBatchTokensRange));
  app.add_option("--max-sequences", flags.max_sequences,
                 "Sequences computed at once; more wait [64]")
      ->check(Within(kMaxSequencesRange));
  AddSwitch(app, "--prefix-cache", flags.prefix_cache,
            "on or off: keep the heads of prompts for those who come after [on]");
}

absl::StatusOr<Config> ReadAttentionConfig(const AttentionFlags& flags, const char* socket) {
  ASSIGN_OR_RETURN(Config config, ReadWorkerConfig(flags.worker));
  AttentionWorkerConfig& own = config.attention_worker;
  LayOver(flags.cache_tokens, config.engine.cache_tokens);
  LayOver(flags.max_batch_tokens, config.engine.max_batch_tokens);
  LayOver(flags.max_sequences, own.max_sequences);
  LayOver(flags.worker.program.admin_port, own.admin_port);
  LayOver(flags.prefix_cache, own.prefix_cache);
  LayOver(flags.worker.listen, own.listen);
  if (own.listen.empty()) own.listen.push_back(OwnUnixTarget(flags.worker.runtime_dir, socket));
  return config;
}

AttentionWorker::Options AttentionOptions(const AttentionFlags& flags, const Config& config) {
  const AttentionWorkerConfig& own = config.attention_worker;
  return {.model_dir = flags.worker.model,
          .router_target = flags.worker.router,
          .listen = own.listen,
          .threads = ThreadCount(config.engine.threads),
          .precision = config.engine.dtype,
          .cache_tokens = HostCacheTokens(config.engine),
          .max_batch_tokens = config.engine.max_batch_tokens,
          .max_sequences = own.max_sequences,
          .prefix_cache = own.prefix_cache};
}

}  // namespace sextant
