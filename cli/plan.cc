// `sextant plan`: what a cluster of GPUs will give, before there is one.
#include "cli/plan/plan.h"

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "cli/commands.h"
#include "cli/plan/card.h"
#include "cli/plan/measured_card.h"
#include "cli/plan/plan_options.h"
#include "cli/plan/report.h"
#include "cli/standard_streams.h"
#include "common/base/status.h"
#include "kernels/cuda_module/cuda_backend.h"

namespace sextant::cli {
namespace {

struct Options {
  PlanOptions plan;
  bool measure = false;
  std::string output = "table";
};

absl::StatusOr<Card> MeasureThisHost() {
  ASSIGN_OR_RETURN(const CudaBackend backend, OpenCuda(0));
  return MeasureCard(backend);
}

absl::Status Run(const Options& options) {
  PlanOptions asked = options.plan;
  if (options.measure) {
    absl::StatusOr<Card> card = MeasureThisHost();
    if (!card.ok()) return AddContext(card.status(), "--measure");
    asked.measured = *std::move(card);
  }
  ASSIGN_OR_RETURN(const PlanRequest request, ReadPlanOptions(asked));
  ASSIGN_OR_RETURN(const Plan plan, MakePlan(request));
  return WriteStandardOutput(options.output == "json" ? PlanAsJson(request, plan)
                                                      : PlanAsText(request, plan));
}

void AddCardOptions(CLI::App& command, PlanOptions& options, bool& measure) {
  command.add_flag("--measure", measure,
                   "Take memory, bandwidth and products of this host's first GPU, measured in a "
                   "second;\n--nvlink and --hop-latency are what `sextant bench exchange` says");
  command
      .add_option("--card", options.card,
                  absl::StrCat("A known card: ", CardNames(), "; what follows is laid over it"))
      ->type_name("NAME");
  command.add_option("--memory", options.memory, "Of each GPU: 80GiB")->type_name("SIZE");
  command.add_option("--bandwidth", options.bandwidth, "Reads of its memory: 3.35TB/s")
      ->type_name("RATE");
  command.add_option("--compute", options.compute, "Its dense bf16 products: 989TFLOPS")
      ->type_name("RATE");
  command
      .add_option("--nvlink", options.nvlink,
                  "From a GPU to the others of its node, one direction: 450GB/s")
      ->type_name("RATE");
  command
      .add_option("--network", options.network,
                  "From a GPU to other nodes, one direction: 50GB/s (400 Gb/s)")
      ->type_name("RATE");
  command
      .add_option("--hop-latency", options.hop_latency,
                  "What rows take from GPU to GPU beside their bytes [10us, 20us between nodes]")
      ->type_name("TIME");
  command
      .add_option("--reserve", options.reserve,
                  "Memory of each GPU that is not ours: driver, kernels, graphs")
      ->capture_default_str()
      ->type_name("SIZE");
}

void AddFormOptions(CLI::App& command, PlanOptions& options) {
  command.add_option("--gpus", options.gpus, "How many of them [1]")->type_name("N");
  command.add_option("--gpus-per-node", options.gpus_per_node, "How many share a node")
      ->capture_default_str()
      ->type_name("N");
  command
      .add_option("--form", options.form,
                  "one: a GPU has every role; colocated: each runs attention and holds a shard of\n"
                  "the experts; apart: some run attention, others hold experts [by the numbers]")
      ->type_name("FORM");
  command
      .add_option("--attention", options.attention, "GPUs that run attention, of the form apart")
      ->type_name("N");
  command.add_option("--experts", options.experts, "GPUs that hold experts, of the form apart")
      ->type_name("N");
}

void AddLoadOptions(CLI::App& command, PlanOptions& options) {
  command.add_option("--batch", options.batches, "Sequences that decode at once, in all: 1,32")
      ->delimiter(',')
      ->capture_default_str()
      ->type_name("N");
  command.add_option("--context", options.context, "Tokens that each of them sees")
      ->capture_default_str()
      ->type_name("TOKENS");
  command.add_option("--prompt", options.prompt, "Tokens of a prefill, in one step; 0: none")
      ->capture_default_str()
      ->type_name("TOKENS");
  command
      .add_option("--efficiency", options.efficiency,
                  "The share of the floor that is expected to be reached")
      ->capture_default_str()
      ->type_name("SHARE");
}

}  // namespace

void AddPlanCommand(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "plan", "Say what a cluster of GPUs will give: what fits where, and how long steps take");
  command->footer(
      "\nNo weights are needed, and no GPU but for --measure: the folder of --model may hold\n"
      "config.json alone.\n"
      "docs/scaling.md has the formulas and their sources.\n\n"
      "  sextant plan --model models/v2-lite --card a100-40g\n"
      "  sextant plan --model models/v2-lite --card h100 --gpus 8 --batch 32,256\n"
      "  sextant plan --model models/v2-lite --card h100 --gpus 16 --network 50GB/s -o json\n"
      "  sextant plan --model models/v2-lite --card h100 --attention 2 --experts 6\n"
      "  sextant plan --model models/v2-lite --memory 24GiB --bandwidth 1TB/s --compute 165TFLOPS\n"
      "    --nvlink 32GB/s --gpus 4\n"
      "  sextant plan --model models/v2-lite --measure");
  command
      ->add_option("-m,--model", options->plan.model,
                   "Folder with the model's config.json, or that file")
      ->required()
      ->type_name("DIR");
  AddCardOptions(*command, options->plan, options->measure);
  AddFormOptions(*command, options->plan);
  AddLoadOptions(*command, options->plan);
  command->add_option("-o,--output", options->output, "\"table\" for people, \"json\" for programs")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str()
      ->type_name("FORM");
  command->callback([options, &exit_code] { exit_code = ExitCode("plan", Run(*options)); });
}

}  // namespace sextant::cli
