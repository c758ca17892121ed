#include "attention_worker/program/attention_worker_program.h"

#include "attention_worker/service/attention_worker.h"
#include "common/device/thread_pool.h"
#include "common/program/worker_program.h"
#include "common/rpc/unix_socket.h"

namespace sextant {
namespace {

constexpr char kRole[] = "attention_worker";

struct Flags {
  WorkerFlags worker;
  std::optional<std::int64_t> cache_tokens;
  std::optional<std::int64_t> max_batch_tokens;
  std::optional<std::int64_t> max_sequences;
  std::optional<bool> prefix_cache;
};

void AddFlags(CLI::App& app, Flags& flags) {
  AddWorkerFlags(app, flags.worker);
  app.add_option("--cache-tokens", flags.cache_tokens,
                 "Tokens that the latent cache holds, all sequences together [16384]")
      ->check(Within(kCacheTokensRange));
  app.add_option("--max-batch-tokens", flags.max_batch_tokens, "Rows of one step at most [512]")
      ->check(Within(kMaxBatchTokensRange));
  app.add_option("--max-sequences", flags.max_sequences,
                 "Sequences computed at once; more wait [64]")
      ->check(Within(kMaxSequencesRange));
  AddSwitch(app, "--prefix-cache", flags.prefix_cache,
            "on or off: keep the heads of prompts for those who come after [on]");
}

// The file's settings with the flags laid over them.
absl::StatusOr<Config> MakeConfig(const Flags& flags) {
  ASSIGN_OR_RETURN(Config config, ReadWorkerConfig(flags.worker));
  AttentionWorkerConfig& own = config.attention_worker;
  LayOver(flags.cache_tokens, config.engine.cache_tokens);
  LayOver(flags.max_batch_tokens, config.engine.max_batch_tokens);
  LayOver(flags.max_sequences, own.max_sequences);
  LayOver(flags.worker.program.admin_port, own.admin_port);
  LayOver(flags.prefix_cache, own.prefix_cache);
  LayOver(flags.worker.listen, own.listen);
  if (own.listen.empty()) {
    own.listen.push_back(OwnUnixTarget(flags.worker.runtime_dir, "attention"));
  }
  return config;
}

absl::Status Run(const Flags& flags, StopSource& stop, const ReadyFunction& on_ready) {
  ASSIGN_OR_RETURN(const Config config, MakeConfig(flags));
  const AttentionWorkerConfig& own = config.attention_worker;
  return RunWorker<AttentionWorker>(
      {.role = kRole, .admin_port = own.admin_port, .cluster = config.cluster},
      {.model_dir = flags.worker.model,
       .router_target = flags.worker.router,
       .listen = own.listen,
       .threads = ThreadCount(config.engine.threads),
       .precision = config.engine.dtype,
       .cache_tokens = HostCacheTokens(config.engine),
       .max_batch_tokens = config.engine.max_batch_tokens,
       .max_sequences = own.max_sequences,
       .prefix_cache = own.prefix_cache},
      stop, on_ready);
}

}  // namespace

int AttentionWorkerProgram(const Arguments& arguments, StopSource& stop,
                           const ReadyFunction& on_ready) {
  CLI::App app{"Runs the attention half of a Sextant cluster's model, and samples"};
  Flags flags;
  AddFlags(app, flags);
  if (const auto status = Parse(app, arguments)) return *status;
  return ExitStatus(kRole, Run(flags, stop, on_ready));
}

}  // namespace sextant
