#include "cli/supervisor/cluster_progress.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/membership/roles.h"

namespace sextant::cli {
namespace {

int Count(const v1::ClusterStatus& status, v1::Role role) {
  return static_cast<int>(
      std::count_if(status.workers().begin(), status.workers().end(),
                    [role](const v1::WorkerStatus& worker) { return worker.role() == role; }));
}

// Puts `line` into `lines` unless it was said last.
void Say(std::string line, std::string& last, std::vector<std::string>& lines) {
  if (line == last) return;
  last = line;
  lines.push_back(std::move(line));
}

}  // namespace

bool Serves(const v1::ClusterStatus& status) {
  const auto is_ready = [&status](v1::Role role) {
    return std::any_of(status.workers().begin(), status.workers().end(),
                       [role](const v1::WorkerStatus& worker) {
                         return worker.role() == role && worker.state() == "ready";
                       });
  };
  if (is_ready(v1::ROLE_WHOLE)) return true;
  const bool attends = is_ready(v1::ROLE_ATTENTION) || is_ready(v1::ROLE_COLOCATED);
  return status.epoch() > 0 && attends && status.model().num_experts() > 0 &&
         status.experts_covered() == status.model().num_experts();
}

std::vector<std::string> ClusterProgress::Update(const v1::ClusterStatus& status) {
  std::vector<std::string> lines;
  if (status.workers().empty()) return lines;
  std::vector<std::string> counts;
  for (const auto& [role, wanted] : {std::pair(v1::ROLE_WHOLE, wanted_.whole_workers),
                                     std::pair(v1::ROLE_COLOCATED, wanted_.colocated_workers),
                                     std::pair(v1::ROLE_ATTENTION, wanted_.attention_workers),
                                     std::pair(v1::ROLE_EXPERT, wanted_.expert_workers)}) {
    if (wanted == 0) continue;
    counts.push_back(absl::StrCat(Count(status, role), " of ", wanted, " ", RoleName(role)));
  }
  Say(absl::StrCat("workers: ", absl::StrJoin(counts, ", "), " have joined"), workers_, lines);
  if (status.epoch() > 0) {
    Say(absl::StrCat("experts: ", status.experts_covered(), " of ", status.model().num_experts(),
                     " of every layer are held"),
        experts_, lines);
  }
  return lines;
}

}  // namespace sextant::cli
