#include "cli/admin/cluster_table.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "common/membership/roles.h"
#include "nlohmann/json.hpp"

namespace sextant::cli {
namespace {

using Row = std::vector<std::string>;

std::string OrDash(const std::string& text) { return text.empty() ? "-" : text; }

// Columns as wide as their widest cell, two spaces between, none at the end of a line.
std::string Aligned(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths(rows[0].size(), 0);
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      line.append(widths[i] - row[i].size() + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string Head(const v1::ClusterStatus& status) {
  const v1::ModelIdentity& model = status.model();
  const auto uptime = absl::Seconds(static_cast<std::int64_t>(status.uptime_seconds()));
  return absl::StrCat("sextant ", status.version(), ", up ", absl::FormatDuration(uptime), ": ",
                      status.phase(), ", epoch ", status.epoch(), ", ", status.experts_covered(),
                      " of ", model.num_experts(), " experts held\nmodel ", OrDash(model.id()), " ",
                      OrDash(model.fingerprint()), ", ", OrDash(model.dtype()), ", profile ",
                      OrDash(status.numeric_profile()), "; requests: ", status.queue().running(),
                      " running, ", status.queue().queued(), " of ", status.queue().capacity(),
                      " queued\n");
}

Row WorkerRow(const v1::WorkerStatus& worker) {
  const std::string state = worker.state() == "silent"
                                ? absl::StrFormat("silent %.1fs", worker.silent_seconds())
                                : worker.state();
  Row row = {RoleName(worker.role()), worker.worker_id(), OrDash(worker.target()), state,
             absl::StrCat(worker.epoch())};
  if (worker.role() == v1::ROLE_EXPERT) {
    row.push_back(Ranges(worker.experts()));
    row.insert(row.end(), {"-", "-", "-", "-"});
    return row;
  }
  const std::int64_t used = worker.cache_blocks() - worker.free_blocks();
  const double share = worker.cache_blocks() > 0 ? 100.0 * static_cast<double>(used) /
                                                       static_cast<double>(worker.cache_blocks())
                                                 : 0;
  const std::string experts = worker.role() == v1::ROLE_WHOLE       ? "all"
                              : worker.role() == v1::ROLE_COLOCATED ? Ranges(worker.experts())
                                                                    : "-";
  row.insert(row.end(),
             {experts, absl::StrFormat("%.0f%%", share), absl::StrCat(worker.running()),
              absl::StrCat(worker.waiting()), absl::StrFormat("%.1f", worker.tokens_per_second())});
  return row;
}

}  // namespace

std::string ClusterTable(const v1::ClusterStatus& status, bool with_events) {
  std::string text = Head(status);
  if (!status.workers().empty()) {
    std::vector<Row> rows = {{"ROLE", "WORKER", "ADDRESS", "STATE", "EPOCH", "EXPERTS", "CACHE",
                              "RUNNING", "WAITING", "TOKENS/S"}};
    for (const v1::WorkerStatus& worker : status.workers()) rows.push_back(WorkerRow(worker));
    absl::StrAppend(&text, "\n", Aligned(rows));
  }
  if (with_events && !status.events().empty()) {
    absl::StrAppend(&text, "\n", absl::StrJoin(status.events(), "\n"), "\n");
  }
  return text;
}

std::string ClusterJson(const v1::ClusterStatus& status) {
  const v1::ModelIdentity& model = status.model();
  nlohmann::ordered_json workers = nlohmann::ordered_json::array();
  for (const v1::WorkerStatus& worker : status.workers()) {
    workers.push_back(
        {{"worker_id", worker.worker_id()},
         {"role", RoleName(worker.role())},
         {"target", worker.target()},
         {"state", worker.state()},
         {"epoch", worker.epoch()},
         {"experts", std::vector<int>(worker.experts().begin(), worker.experts().end())},
         {"cache_blocks", worker.cache_blocks()},
         {"free_blocks", worker.free_blocks()},
         {"running", worker.running()},
         {"waiting", worker.waiting()},
         {"tokens_per_second", worker.tokens_per_second()},
         {"silent_seconds", worker.silent_seconds()},
         {"pid", worker.pid()},
         {"admin_target", worker.admin_target()}});
  }
  nlohmann::ordered_json scales = nlohmann::ordered_json::array();
  for (const v1::ScaleStatus& scale : status.scales()) {
    scales.push_back({{"number", scale.number()},
                      {"role", RoleName(scale.role())},
                      {"count", scale.count()},
                      {"ready", scale.ready()},
                      {"present", scale.present()},
                      {"done", scale.done()},
                      {"experts_moved", scale.experts_moved()},
                      {"bytes_moved", scale.bytes_moved()},
                      {"seconds", scale.seconds()}});
  }
  const v1::EpochStatus& change = status.change();
  const v1::RebalanceStatus& rebalance = status.rebalance();
  const nlohmann::ordered_json document = {
      {"version", status.version()},
      {"model",
       {{"id", model.id()},
        {"fingerprint", model.fingerprint()},
        {"dtype", model.dtype()},
        {"num_layers", model.num_layers()},
        {"num_experts", model.num_experts()}}},
      {"numeric_profile", status.numeric_profile()},
      {"epoch", status.epoch()},
      {"phase", status.phase()},
      {"experts_covered", status.experts_covered()},
      {"queue",
       {{"queued", status.queue().queued()},
        {"capacity", status.queue().capacity()},
        {"running", status.queue().running()}}},
      {"uptime_seconds", status.uptime_seconds()},
      {"change",
       {{"epoch", change.epoch()},
        {"cause", change.cause()},
        {"phase", change.phase()},
        {"answered", change.answered()},
        {"participants", change.participants()},
        {"experts_moved", change.experts_moved()},
        {"bytes_moved", change.bytes_moved()},
        {"halt_seconds", change.halt_seconds()},
        {"prepare_seconds", change.prepare_seconds()},
        {"commit_seconds", change.commit_seconds()},
        {"retire_seconds", change.retire_seconds()}}},
      {"scales", scales},
      {"rebalance",
       {{"number", rebalance.number()},
        {"done", rebalance.done()},
        {"experts_moved", rebalance.experts_moved()},
        {"bytes_moved", rebalance.bytes_moved()},
        {"imbalance_before", rebalance.imbalance_before()},
        {"imbalance_after", rebalance.imbalance_after()},
        {"seconds", rebalance.seconds()}}},
      {"host",
       {{"name", status.host().name()},
        {"attention_workers", status.host().attention_workers()},
        {"expert_workers", status.host().expert_workers()},
        {"whole_workers", status.host().whole_workers()},
        {"colocated_workers", status.host().colocated_workers()},
        {"problem", status.host().problem()}}},
      {"expert_load",
       std::vector<double>(status.expert_load().begin(), status.expert_load().end())},
      {"workers", workers},
      {"events", std::vector<std::string>(status.events().begin(), status.events().end())}};
  // What a worker says of itself may be no UTF-8.
  return document.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string Ranges(absl::Span<const int> numbers) {
  if (numbers.empty()) return "-";
  std::string text;
  for (std::size_t i = 0; i < numbers.size();) {
    std::size_t last = i;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
    if (!text.empty()) text += ',';
    absl::StrAppend(&text, numbers[i]);
    if (last > i) absl::StrAppend(&text, "-", numbers[last]);
    i = last + 1;
  }
  return text;
}

}  // namespace sextant::cli
