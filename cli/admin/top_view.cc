#include "cli/admin/top_view.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "common/membership/roles.h"

namespace sextant::cli {
namespace {

constexpr absl::string_view kHeat = ".:-=+*#%@";
constexpr int kNameWidth = 26;
constexpr int kBarWidth = 20;
constexpr int kMostEvents = 10;

struct Totals {
  double tokens_per_second = 0;
  std::int64_t running = 0;
  std::int64_t waiting = 0;
  std::int64_t blocks = 0;
  std::int64_t used = 0;
  std::map<v1::Role, int> workers;
};

Totals Sum(const v1::ClusterStatus& status) {
  Totals totals;
  for (const v1::WorkerStatus& worker : status.workers()) {
    ++totals.workers[worker.role()];
    totals.tokens_per_second += worker.tokens_per_second();
    totals.running += worker.running();
    totals.waiting += worker.waiting();
    totals.blocks += worker.cache_blocks();
    totals.used += worker.cache_blocks() - worker.free_blocks();
  }
  return totals;
}

double Percent(double part, double whole) { return whole > 0 ? 100 * part / whole : 0; }

std::string Bar(double percent) {
  const int filled =
      std::clamp(static_cast<int>(std::lround(percent / 100 * kBarWidth)), 0, kBarWidth);
  return absl::StrCat("[", std::string(static_cast<std::size_t>(filled), '#'),
                      std::string(static_cast<std::size_t>(kBarWidth - filled), ' '), "]");
}

double LoadOf(const v1::WorkerStatus& worker, const v1::ClusterStatus& status) {
  double load = 0;
  for (const std::int32_t expert : worker.experts()) {
    if (expert < status.expert_load_size()) load += status.expert_load(expert);
  }
  return load;
}

std::string ChangeLine(const v1::EpochStatus& change) {
  std::string line = absl::StrFormat(
      "change   epoch %d (%s): %s, %d experts move (%.1f MB)", change.epoch(), change.cause(),
      change.phase(), change.experts_moved(), 1e-6 * static_cast<double>(change.bytes_moved()));
  if (change.phase() != "done") {
    return absl::StrCat(line, ", ", change.answered(), " of ", change.participants(),
                        " have answered");
  }
  if (change.halt_seconds() > 0) {
    absl::StrAppendFormat(&line, "; halt %.0f ms", 1e3 * change.halt_seconds());
  }
  absl::StrAppendFormat(&line, "; prepare %.0f, commit %.0f, retire %.0f ms",
                        1e3 * change.prepare_seconds(), 1e3 * change.commit_seconds(),
                        1e3 * change.retire_seconds());
  return line;
}

void AddHead(const v1::ClusterStatus& status, std::vector<std::string>& lines) {
  const Totals totals = Sum(status);
  const auto uptime = absl::Seconds(static_cast<std::int64_t>(status.uptime_seconds()));
  lines.push_back(absl::StrFormat("sextant %s  %s %s  up %s  %s, epoch %d, %d of %d experts held",
                                  status.version(), status.model().id(), status.numeric_profile(),
                                  absl::FormatDuration(uptime), status.phase(), status.epoch(),
                                  status.experts_covered(), status.model().num_experts()));
  lines.push_back(absl::StrFormat(
      "tokens/s %.1f  sequences %d running, %d waiting  queue %d of %d  cache %.0f%%",
      totals.tokens_per_second, totals.running, totals.waiting, status.queue().queued(),
      status.queue().capacity(),
      Percent(static_cast<double>(totals.used), static_cast<double>(totals.blocks))));
  if (status.change().epoch() > 0) lines.push_back(ChangeLine(status.change()));
  for (const v1::ScaleStatus& scale : status.scales()) {
    if (scale.done()) continue;
    lines.push_back(absl::StrFormat("scaling  %d of %d %s workers ready, for %.1f s", scale.ready(),
                                    scale.count(), RoleName(scale.role()), scale.seconds()));
  }
  if (!status.host().problem().empty()) lines.push_back("problem  " + status.host().problem());
}

bool HasAny(const v1::ClusterStatus& status, v1::Role role) {
  return std::any_of(status.workers().begin(), status.workers().end(),
                     [role](const v1::WorkerStatus& worker) { return worker.role() == role; });
}

// Of workers of one of the roles that compute them.
void AddSequences(const v1::ClusterStatus& status, v1::Role role, const char* title,
                  std::vector<std::string>& lines) {
  lines.push_back(absl::StrFormat("%-*s %-8s %8s %5s %5s  CACHE", kNameWidth, title, "STATE",
                                  "TOKENS/S", "RUN", "WAIT"));
  for (const v1::WorkerStatus& worker : status.workers()) {
    if (worker.role() != role) continue;
    const double used = Percent(static_cast<double>(worker.cache_blocks() - worker.free_blocks()),
                                static_cast<double>(worker.cache_blocks()));
    lines.push_back(absl::StrFormat("%-*s %-8s %8.1f %5d %5d  %s %.0f%%", kNameWidth,
                                    worker.worker_id(), worker.state(), worker.tokens_per_second(),
                                    worker.running(), worker.waiting(), Bar(used), used));
  }
}

void AddExperts(const v1::ClusterStatus& status, int columns, std::vector<std::string>& lines) {
  double all = 0;
  for (const double load : status.expert_load()) all += load;
  const int heat_width = std::max(columns - kNameWidth - 31, 8);
  lines.push_back(absl::StrFormat("%-*s %-8s %4s %8s %5s  EXPERTS 0-%d, %s", kNameWidth, "EXPERT",
                                  "STATE", "HELD", "ROWS/S", "SHARE",
                                  std::max(status.model().num_experts() - 1, 0), kHeat));
  for (const v1::WorkerStatus& worker : status.workers()) {
    if (worker.role() != v1::ROLE_EXPERT && worker.role() != v1::ROLE_COLOCATED) continue;
    const double load = LoadOf(worker, status);
    lines.push_back(absl::StrFormat("%-*s %-8s %4d %8.0f %4.0f%%  %s", kNameWidth,
                                    worker.worker_id(), worker.state(), worker.experts_size(), load,
                                    Percent(load, all), HeatRow(worker, status, heat_width)));
  }
}

}  // namespace

std::string HeatRow(const v1::WorkerStatus& worker, const v1::ClusterStatus& status, int width) {
  const int experts = status.model().num_experts();
  const int each = std::max((experts + width - 1) / std::max(width, 1), 1);
  double most = 0;
  for (const double load : status.expert_load()) most = std::max(most, load);
  std::string row(static_cast<std::size_t>((experts + each - 1) / each), ' ');
  for (const std::int32_t expert : worker.experts()) {
    if (expert < 0 || expert >= experts) continue;
    const double load = expert < status.expert_load_size() ? status.expert_load(expert) : 0;
    const double share = most > 0 ? load / most : 0;
    const auto level =
        static_cast<std::size_t>(share * static_cast<double>(kHeat.size() - 1) + 0.5);
    char& cell = row[static_cast<std::size_t>(expert / each)];
    if (cell == ' ' || kHeat.find(cell) < level) cell = kHeat[level];
  }
  return row;
}

std::vector<std::string> TopScreen(const v1::ClusterStatus& status, TopSize size) {
  std::vector<std::string> lines;
  AddHead(status, lines);
  lines.emplace_back();
  const bool has_whole = HasAny(status, v1::ROLE_WHOLE);
  const bool has_colocated = HasAny(status, v1::ROLE_COLOCATED);
  if (has_whole) {
    AddSequences(status, v1::ROLE_WHOLE, "WHOLE, ALL EXPERTS", lines);
    lines.emplace_back();
  }
  if (has_colocated) {
    AddSequences(status, v1::ROLE_COLOCATED, "COLOCATED", lines);
    lines.emplace_back();
  }
  // A cluster of whole workers alone has no such workers to speak of, nor one of colocated ones
  // that attend alone.
  const bool has_attention = HasAny(status, v1::ROLE_ATTENTION);
  const bool has_split = has_attention || HasAny(status, v1::ROLE_EXPERT);
  if (has_attention || (!has_colocated && (!has_whole || has_split))) {
    AddSequences(status, v1::ROLE_ATTENTION, "ATTENTION", lines);
    lines.emplace_back();
  }
  if (!has_whole || has_colocated || has_split) {
    AddExperts(status, size.columns, lines);
    lines.emplace_back();
  }
  const int room = std::min(kMostEvents, size.rows - static_cast<int>(lines.size()) - 1);
  for (int i = std::max(status.events_size() - std::max(room, 0), 0); i < status.events_size();
       ++i) {
    lines.push_back(status.events(i));
  }
  const auto rows = static_cast<std::size_t>(std::max(size.rows, 1));
  if (lines.size() > rows) lines.resize(rows);
  for (std::string& line : lines) {
    if (line.size() > static_cast<std::size_t>(size.columns)) {
      line.resize(static_cast<std::size_t>(size.columns));
    }
  }
  return lines;
}

std::string TopLine(const v1::ClusterStatus& status) {
  Totals totals = Sum(status);
  std::string phase = status.phase();
  std::replace(phase.begin(), phase.end(), ' ', '-');
  const std::string colocated =
      status.ranks() ? absl::StrCat(" colocated=", totals.workers[v1::ROLE_COLOCATED]) : "";
  return absl::StrFormat(
      "epoch=%d phase=%s tokens/s=%.1f running=%d waiting=%d queued=%d cache=%.0f%% attention=%d "
      "expert=%d whole=%d%s covered=%d/%d",
      status.epoch(), phase, totals.tokens_per_second, totals.running, totals.waiting,
      status.queue().queued(),
      Percent(static_cast<double>(totals.used), static_cast<double>(totals.blocks)),
      totals.workers[v1::ROLE_ATTENTION], totals.workers[v1::ROLE_EXPERT],
      totals.workers[v1::ROLE_WHOLE], colocated, status.experts_covered(),
      status.model().num_experts());
}

}  // namespace sextant::cli
