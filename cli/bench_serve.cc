// `sextant bench serve`: what clients of a running cluster get under load.
#include <CLI/CLI.hpp>
#include <atomic>
#include <csignal>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "cli/client/inference_client.h"
#include "cli/client/status_text.h"
#include "cli/commands.h"
#include "cli/load/load_report.h"
#include "cli/load/load_run.h"
#include "cli/standard_streams.h"
#include "common/base/status.h"

namespace sextant::cli {
namespace {

struct Options {
  std::string router = "127.0.0.1:7070";
  std::string output = "text";
  LoadOptions load = {
      .requests = 32, .concurrency = 4, .prompt_tokens = 128, .max_tokens = 64, .seed = 1};
  double rate = 0;
  double timeout_s = 600;
  std::int64_t warmup = 1;
};

std::atomic<bool> interrupted = false;
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler writes it");

absl::Status BenchServe(Options& options) {
  InferenceClient client(options.router);
  const auto models = client.ListModels(absl::Seconds(10));
  if (!models.ok()) {
    return absl::Status(models.status().code(), StatusText(models.status(), options.router));
  }
  if (models->models().empty()) return absl::UnavailableError("the router serves no model");
  LoadOptions& load = options.load;
  load.vocab_size = models->models(0).vocab_size();
  load.timeout = absl::Seconds(options.timeout_s);
  if (options.rate > 0) load.rate = options.rate;

  std::signal(SIGINT, [](int) { interrupted = true; });
  if (options.warmup > 0) {
    LoadOptions warmup = load;
    warmup.requests = options.warmup;
    warmup.seed = ~load.seed;  // other prompts, which leave nothing in a prefix cache
    warmup.rate.reset();
    static_cast<void>(RunLoad(client, warmup, [](std::int64_t) { return !interrupted; }));
  }
  const LoadResult result = RunLoad(client, load, [&](std::int64_t ended) {
    ShowOnTerminal(
        ended == load.requests ? "" : absl::StrCat(ended, " of ", load.requests, " requests"));
    return !interrupted;
  });
  const LoadReport report = Summarize(result);
  RETURN_IF_ERROR(WriteStandardOutput(options.output == "json" ? LoadAsJson(load, report)
                                                               : LoadAsText(load, report)));
  if (interrupted) return absl::CancelledError("interrupted; the figures are of what had ended");
  if (report.succeeded == 0) {
    return absl::UnavailableError(
        absl::StrCat("no request succeeded; the first error: ",
                     StatusText(result.requests.front().status, options.router)));
  }
  return absl::OkStatus();
}

}  // namespace

void AddBenchServeCommand(CLI::App& bench, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      bench.add_subcommand("serve", "Send requests to a running cluster and time what comes back");
  command->footer(
      "\nPrompts are random token ids, the same for the same seed; answers are greedy and all as\n"
      "long as --max-tokens says. With --concurrency so many requests are always under way, with\n"
      "--rate they start at random moments, so many a second on average.\n\n"
      "  sextant bench serve --concurrency 16 --requests 64\n"
      "  sextant bench serve --rate 2 --requests 100 -o json");
  command->add_option("--router", options->router, "Where the cluster listens")
      ->capture_default_str()
      ->type_name("HOST:PORT");
  const auto number = [command](const char* flag, auto& value, const char* help, double low,
                                double high) {
    return command->add_option(flag, value, help)->check(CLI::Range(low, high));
  };
  CLI::Option* concurrency =
      number("--concurrency", options->load.concurrency, "Requests under way", 1, 10000);
  concurrency->capture_default_str();
  number("--rate", options->rate, "Requests a second, whatever becomes of them", 1e-3, 1e6)
      ->excludes(concurrency);
  number("--requests", options->load.requests, "Requests in all", 1, 1e6)->capture_default_str();
  number("--prompt-tokens", options->load.prompt_tokens, "Length of each prompt", 1, 1e6)
      ->capture_default_str();
  number("--max-tokens", options->load.max_tokens, "Length of each answer", 1, 1e6)
      ->capture_default_str();
  number("--warmup", options->warmup, "Requests before those that count", 0, 1e6)
      ->capture_default_str();
  number("--timeout", options->timeout_s, "Seconds after which a request is given up", 1e-3, 1e6)
      ->capture_default_str();
  command->add_option("--seed", options->load.seed, "Chooses the prompts and the pauses")
      ->capture_default_str();
  command->add_option("-o,--output", options->output, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  command->callback(
      [options, &exit_code] { exit_code = ExitCode("bench serve", BenchServe(*options)); });
}

}  // namespace sextant::cli
