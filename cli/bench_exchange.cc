// `sextant bench exchange`: how long the rows of a MoE layer are under way between GPUs.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/commands.h"
#include "cli/exchange/bench_rank.h"
#include "cli/exchange/exchange_report.h"
#include "cli/exchange/exchange_summary.h"
#include "cli/exchange/rank_children.h"
#include "cli/standard_streams.h"
#include "cli/supervisor/child_processes.h"
#include "cli/supervisor/runtime_dir.h"
#include "common/base/status.h"
#include "common/config/model_config.h"

namespace sextant::cli {
namespace {

constexpr int kMostRanks = 64;  // of kernels/exchange
constexpr int kMostGpus = 64;

struct Options {
  std::string model;
  std::string output = "text";
  std::optional<std::string> form;
  std::optional<int> ranks, attention, experts;
  std::vector<int> gpus;
  std::vector<std::int64_t> batches = {1, 8, 32, 64, 128, 256};
  std::vector<std::int64_t> prompts = {512, 2048};
  ExchangeBenchOptions bench;
  // Of a rank's process (rank_children.h).
  std::optional<int> rank;
  std::string id;
  std::string report;
};

absl::StatusOr<BenchRanks> RanksOf(const Options& options) {
  const bool counted = options.attention.has_value() || options.experts.has_value();
  const std::string form = options.form.value_or(counted ? "apart" : "colocated");
  BenchRanks ranks = {.apart = form == "apart", .ranks = options.ranks.value_or(2)};
  if (!ranks.apart) {
    if (!counted) return ranks;
    return absl::InvalidArgumentError("--attention and --experts belong to --form apart");
  }
  if (!options.attention.has_value() || !options.experts.has_value()) {
    return absl::InvalidArgumentError(
        "--form apart: say how many ranks do what by --attention and --experts");
  }
  const int all = *options.attention + *options.experts;
  if (options.ranks.value_or(all) != all || all > kMostRanks) {
    return absl::InvalidArgumentError(
        absl::StrCat("--attention ", *options.attention, " and --experts ", *options.experts,
                     " are ", all, " ranks; give no other --ranks, and at most ", kMostRanks));
  }
  return BenchRanks{.apart = true, .ranks = all, .attention = *options.attention};
}

std::vector<std::int64_t> Positive(std::vector<std::int64_t> sizes) {
  std::erase(sizes, 0);
  return sizes;
}

absl::StatusOr<ExchangeBenchOptions> BenchOf(const Options& options) {
  ExchangeBenchOptions bench = options.bench;
  bench.cases = CasesOf(Positive(options.batches), Positive(options.prompts));
  if (!bench.cases.empty()) return bench;
  return absl::InvalidArgumentError("nothing to measure: give --batch or --prompt a size above 0");
}

// The same question, for a rank's process.
std::vector<std::string> ArgumentsOf(const Options& options) {
  std::vector<std::string> arguments = {OwnProgram().string(), "bench", "exchange", "--model",
                                        options.model};
  const auto add = [&arguments](const char* flag, const std::string& value) {
    arguments.emplace_back(flag);
    arguments.push_back(value);
  };
  if (options.form.has_value()) add("--form", *options.form);
  if (options.ranks.has_value()) add("--ranks", absl::StrCat(*options.ranks));
  if (options.attention.has_value()) add("--attention", absl::StrCat(*options.attention));
  if (options.experts.has_value()) add("--experts", absl::StrCat(*options.experts));
  if (!options.gpus.empty()) add("--gpus", absl::StrJoin(options.gpus, ","));
  add("--batch", absl::StrJoin(options.batches, ","));
  add("--prompt", absl::StrJoin(options.prompts, ","));
  add("--layers", absl::StrCat(options.bench.layers));
  add("--rounds", absl::StrCat(options.bench.rounds));
  add("--seed", absl::StrCat(options.bench.seed));
  return arguments;
}

absl::StatusOr<RankReport> MeasureOwnPart(const Options& options) {
  ASSIGN_OR_RETURN(const BenchRanks ranks, RanksOf(options));
  ASSIGN_OR_RETURN(ExchangeBenchOptions bench, BenchOf(options));
  const auto tell_id = [](const std::string& id) {
    std::printf("ready rank %s\n", id.c_str());
    std::fflush(stdout);
  };
  const auto progress = [&options](const std::string& next) {
    if (*options.rank == 0) ShowOnTerminal(next);
  };
  return MeasureAsRank({.model = options.model,
                        .ranks = ranks,
                        .gpus = options.gpus,
                        .bench = std::move(bench),
                        .rank = *options.rank,
                        .id = options.id},
                       tell_id, progress);
}

// Of a rank's process: what went wrong is in its report.
int BeRank(const Options& options) {
  const absl::StatusOr<RankReport> report = MeasureOwnPart(options);
  const int written = ExitCode("bench exchange", WriteRankReport(options.report, report));
  return report.ok() ? written : 1;
}

absl::Status BenchExchange(const Options& options) {
  ASSIGN_OR_RETURN(const BenchRanks ranks, RanksOf(options));
  ASSIGN_OR_RETURN(const ExchangeBenchOptions bench, BenchOf(options));
  ASSIGN_OR_RETURN(const ModelConfig model, ReadModelConfig(options.model));
  RETURN_IF_ERROR(MakeBenchLayout(model.n_routed_experts, ranks).status());
  ASSIGN_OR_RETURN(const std::unique_ptr<RuntimeDir> folder, RuntimeDir::Make(""));
  std::vector<RankReport> reports;
  {
    // Ends those that are left, at the end of this scope.
    ASSIGN_OR_RETURN(const std::unique_ptr<ChildProcesses> processes, ChildProcesses::Open());
    ASSIGN_OR_RETURN(reports, RunRanks(*processes, {.arguments = ArgumentsOf(options),
                                                    .ranks = ranks.ranks,
                                                    .folder = folder->path()}));
  }
  ShowOnTerminal("");
  BenchedExchange benched{.model_dir = options.model,
                          .model = model,
                          .ranks = ranks,
                          .share_gpus = ShareGpus(options.gpus, ranks.ranks),
                          .gpus = {},
                          .layers = bench.layers,
                          .rounds = bench.rounds,
                          .cases = {}};
  std::vector<std::vector<CaseOfRank>> measured;
  for (RankReport& report : reports) {
    benched.gpus.push_back(std::move(report.gpu));
    measured.push_back(std::move(report.cases));
  }
  ASSIGN_OR_RETURN(benched.cases, Summarize(measured));
  return WriteStandardOutput(options.output == "json" ? ExchangeAsJson(benched)
                                                      : ExchangeAsText(benched));
}

void AddRankOptions(CLI::App& command, Options& options) {
  const CLI::Range ranks(1, kMostRanks);
  command.add_option("--ranks", options.ranks, "How many GPUs take part, or shares of one [2]")
      ->check(ranks);
  command
      .add_option("--form", options.form,
                  "colocated: each rank attends and holds a share of the experts; apart: some\n"
                  "attend, the others hold experts [by the numbers]")
      ->check(CLI::IsMember({"colocated", "apart"}));
  command.add_option("--attention", options.attention, "Ranks that attend, of the form apart")
      ->check(ranks);
  command.add_option("--experts", options.experts, "Ranks that hold experts, of the form apart")
      ->check(ranks);
  command
      .add_option("--gpus", options.gpus,
                  "Numbers of the ranks' GPUs, as CUDA counts, in turn: 0,1; 0 puts all ranks on\n"
                  "one card [a card each]")
      ->delimiter(',')
      ->check(CLI::Range(0, kMostGpus - 1));
  command.add_option(kRankFlag, options.rank)->group("");
  command.add_option(kIdFlag, options.id)->group("");
  command.add_option(kReportFlag, options.report)->group("");
}

void AddLoadOptions(CLI::App& command, Options& options) {
  command
      .add_option("--batch", options.batches,
                  "Rows of each rank that attends, in decode steps; rounded up to a size that\n"
                  "steps are captured in; 0: none")
      ->delimiter(',')
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  command
      .add_option("--prompt", options.prompts,
                  "Rows of each rank that attends, in prefill steps; 0: none")
      ->delimiter(',')
      ->check(CLI::Range(0, 32768))
      ->capture_default_str();
  command.add_option("--layers", options.bench.layers, "Layers of a step that are timed")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  command.add_option("--rounds", options.bench.rounds, "How often every step is timed")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  command.add_option("--seed", options.bench.seed, "Chooses the experts of the rows")
      ->capture_default_str();
}

}  // namespace

void AddBenchExchangeCommand(CLI::App& bench, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* command = bench.add_subcommand(
      "exchange",
      "Time the way of rows between GPUs to their experts and back, beside NCCL's plain\n"
      "messages of the same bytes.");
  command->footer(
      "\nEach rank is a process of its own. What is timed is the exchange that the engine uses: "
      "rows "
      "are\npacked and sent (dispatch), outputs are put in order and sent back (combine). The "
      "experts are\nleft out: each gives a vector of its own at once, so that no weights are "
      "needed "
      "and the folder\nof --model may hold config.json alone. The experts of each row are drawn at "
      "random. Every row\nand every output is compared with what was sent before anything is "
      "timed.\n\n"
      "In turn with it, on the same cards: send/recv, the same messages in the same groups and "
      "nothing\nelse; all-to-all, as many bytes, the same number between any two ranks. A share is "
      "their time over\nthe exchange's. Times are of the rank that is slowest each time, as ranks "
      "that attend see it.\nA layer is timed by itself, without the moments in between that "
      "dispatch and combine need.\n\n"
      "Ranks that share a card speak over sockets of this host: that shows that they work, not how "
      "fast.\n\n"
      "  sextant bench exchange --model models/v2-lite --ranks 8\n"
      "  sextant bench exchange --model models/v2-lite --attention 2 --experts 6\n"
      "  sextant bench exchange --model models/v2-lite --ranks 4 --gpus 0 --batch 1,32 --prompt 0");
  command
      ->add_option("-m,--model", options->model,
                   "Folder with the model's config.json, or that file")
      ->required();
  AddRankOptions(*command, *options);
  AddLoadOptions(*command, *options);
  command->add_option("-o,--output", options->output, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  command->callback([options, &exit_code] {
    exit_code = options->rank.has_value() ? BeRank(*options)
                                          : ExitCode("bench exchange", BenchExchange(*options));
  });
}

}  // namespace sextant::cli
