// `sextant bench streams`: what many streams at once get of an engine in this process.
#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "cli/commands.h"
#include "cli/engine/local_engine.h"
#include "cli/engine_flags.h"
#include "cli/load/engine_load.h"
#include "cli/load/load_report.h"
#include "cli/standard_streams.h"
#include "common/base/status.h"

namespace sextant::cli {
namespace {

struct Options {
  EngineFlags engine;
  bool random_weights = false;
  std::string output = "text";
  LoadOptions load = {
      .requests = 32, .concurrency = 32, .prompt_tokens = 128, .max_tokens = 64, .seed = 1};
};

absl::Status BenchStreams(Options& options) {
  ASSIGN_OR_RETURN(const EngineConfig config, MakeEngineConfig(options.engine));
  LoadOptions& load = options.load;
  const std::int64_t longest = load.prompt_tokens + load.max_tokens + kBlockTokens;
  ASSIGN_OR_RETURN(const std::unique_ptr<LocalEngine> local,
                   LocalEngine::Open(options.engine.model, config,
                                     {.random_weights = options.random_weights,
                                      .min_cache_tokens = load.concurrency * longest,
                                      .max_sequences = load.concurrency}));
  load.vocab_size = local->model().vocab_size;
  Engine engine = local->MakeEngine({});
  LoadOptions warmup = load;
  warmup.requests = 1;
  warmup.seed = ~load.seed;
  RETURN_IF_ERROR(RunLoadOnEngine(engine, warmup, [](std::int64_t) {}).status());
  ASSIGN_OR_RETURN(
      const LoadResult result, RunLoadOnEngine(engine, load, [&load](std::int64_t ended) {
        ShowOnTerminal(
            ended == load.requests ? "" : absl::StrCat(ended, " of ", load.requests, " streams"));
      }));
  const LoadReport report = Summarize(result);
  return WriteStandardOutput(options.output == "json" ? LoadAsJson(load, report)
                                                      : LoadAsText(load, report));
}

}  // namespace

void AddBenchStreamsCommand(CLI::App& bench, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* command = bench.add_subcommand(
      "streams",
      "Run many streams at once in this process, and time their tokens.\n\n"
      "Example:\n"
      "  sextant bench streams --model models/demo --streams 8 --max-tokens 32\n\n"
      "The loop is closed: so many streams are always under way. Prompts and answers are those of\n"
      "`sextant bench serve`, so the difference between the two is what the cluster costs.");
  AddEngineFlags(*command, options->engine);
  const auto number = [command](const char* flag, auto& value, const char* help, double low,
                                double high) {
    command->add_option(flag, value, help)->check(CLI::Range(low, high))->capture_default_str();
  };
  number("--streams", options->load.concurrency, "Streams under way", 1, 1024);
  number("--requests", options->load.requests, "Streams in all", 1, 1e6);
  number("--prompt-tokens", options->load.prompt_tokens, "Length of each prompt", 1, 1e6);
  number("--max-tokens", options->load.max_tokens, "Length of each answer", 1, 1e6);
  command->add_option("--seed", options->load.seed, "Chooses the prompts")->capture_default_str();
  AddWeightsFlag(*command, options->random_weights);
  command->add_option("-o,--output", options->output, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  command->callback(
      [options, &exit_code] { exit_code = ExitCode("bench streams", BenchStreams(*options)); });
}

}  // namespace sextant::cli
