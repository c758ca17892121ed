#include "cli/bench_report.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/engine/process_status.h"
#include "cli/step_cost.h"

namespace sextant::cli {
namespace {

const char* DtypeName(Precision precision) {
  return precision == Precision::kBf16 ? "bf16" : "fp32";
}

std::string CaseName(const BenchCase& of) {
  if (!of.decode) return absl::StrCat("prefill ", of.rows);
  return absl::StrCat("decode ", of.rows, " at ", of.context);
}

std::string CaseLine(const BenchResult& result) {
  return absl::StrFormat(
      "%-19s %9.1f %10.1f %8.1f %9.0f %7.0f%%   %3.0f%% of %.1f GB/s, %3.0f%% of %.0f GFLOP/s\n",
      CaseName(result.of), result.tokens_per_s, result.seconds * 1e3,
      result.bytes / result.seconds * 1e-9, result.flops / result.seconds * 1e-9,
      100 * result.share, 100 * result.read_share(), result.read_bytes_per_s * 1e-9,
      100 * result.product_share(), result.product_flops_per_s * 1e-9);
}

// Of the ceilings around the case, what one kernel's calls reached.
double ShareOf(const KernelTime& time, const BenchResult& result) {
  const double floor = std::max(time.cost.bytes / result.read_bytes_per_s,
                                time.cost.flops / result.product_flops_per_s);
  return floor / time.seconds;
}

std::string KernelTable(const BenchResult& result) {
  if (result.kernels.empty()) return "";
  double total = 0;
  for (const KernelTime& time : result.kernels) total += time.seconds;
  std::string text = absl::StrFormat(
      "\n%s, one kernel after another: %.1f us\n"
      "                     calls          us    step     GB/s   GFLOP/s   share\n",
      CaseName(result.of), total * 1e6);
  for (const KernelTime& time : result.kernels) {
    absl::StrAppendFormat(&text, "%-20s %6d %11.1f %6.0f%% %8.1f %9.0f %6.0f%%\n", time.name,
                          time.calls, time.seconds * 1e6, 100 * time.seconds / total,
                          time.cost.bytes / time.seconds * 1e-9,
                          time.cost.flops / time.seconds * 1e-9, 100 * ShareOf(time, result));
  }
  return text;
}

nlohmann::json KernelsAsJson(const BenchResult& result) {
  nlohmann::json kernels = nlohmann::json::array();
  for (const KernelTime& time : result.kernels) {
    kernels.push_back({{"name", time.name},
                       {"calls", time.calls},
                       {"seconds", time.seconds},
                       {"bytes", time.cost.bytes},
                       {"flops", time.cost.flops},
                       {"share", ShareOf(time, result)}});
  }
  return kernels;
}

nlohmann::json HugeFilesAsJson(const BenchReport& report) {
  if (!report.huge_file_share.has_value()) return nullptr;
  return *report.huge_file_share;
}

std::string HugeFilesAsText(const BenchReport& report) {
  if (!report.huge_file_share.has_value()) return "";
  return absl::StrFormat("\n%.0f%% of the mapped files in huge pages",
                         100 * *report.huge_file_share);
}

}  // namespace

std::string ReportAsText(const BenchedEngine& engine, const BenchReport& report) {
  std::string text = absl::StrFormat(
      "%s: %d layers, %.1fB parameters, %s\n%s, %s, %s\n"
      "ready %.2f s after start; %.0f MiB beyond the weights and the cached latents%s\n"
      "decode B at C: B sequences, C tokens of context each\n\n"
      "                     tokens/s    ms/step     GB/s   GFLOP/s   floor   of the ceilings\n",
      engine.model_dir, engine.model.num_hidden_layers,
      static_cast<double>(ParameterCount(engine.model)) * 1e-9, DtypeName(engine.precision),
      ProcessorName(), engine.profile, engine.device, engine.ready_s,
      static_cast<double>(report.memory_bytes) / (1 << 20), HugeFilesAsText(report));
  for (const BenchResult& result : report.results) text += CaseLine(result);
  if (!engine.memory_table.empty()) absl::StrAppend(&text, "\n", engine.memory_table);
  for (const BenchResult& result : report.results) text += KernelTable(result);
  return text;
}

std::string ReportAsJson(const BenchedEngine& engine, const BenchReport& report) {
  nlohmann::json cases = nlohmann::json::array();
  for (const BenchResult& result : report.results) {
    cases.push_back({{"phase", result.of.decode ? "decode" : "prefill"},
                     {result.of.decode ? "batch" : "prompt_tokens", result.of.rows},
                     {"context_tokens", result.of.context},
                     {"tokens_per_s", result.tokens_per_s},
                     {"step_s", result.seconds},
                     {"step_bytes", result.bytes},
                     {"step_flops", result.flops},
                     {"read_bytes_per_s", result.read_bytes_per_s},
                     {"product_flops_per_s", result.product_flops_per_s},
                     {"read_share", result.read_share()},
                     {"product_share", result.product_share()},
                     {"share", result.share},
                     {"kernels", KernelsAsJson(result)}});
  }
  const nlohmann::json object = {{"model", engine.model_dir},
                                 {"layers", engine.model.num_hidden_layers},
                                 {"parameters", ParameterCount(engine.model)},
                                 {"dtype", DtypeName(engine.precision)},
                                 {"processor", ProcessorName()},
                                 {"backend", engine.profile},
                                 {"device", engine.device},
                                 {"ready_s", engine.ready_s},
                                 {"memory_beyond_weights_and_cache_bytes", report.memory_bytes},
                                 {"mapped_in_huge_pages", HugeFilesAsJson(report)},
                                 {"cases", std::move(cases)}};
  return object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace sextant::cli
