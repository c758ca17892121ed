#include "cli/supervisor/cluster_progress.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

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
  const bool takes_sequences = std::any_of(
      status.workers().begin(), status.workers().end(), [](const v1::WorkerStatus& worker) {
        return worker.role() == v1::ROLE_ATTENTION && worker.state() == "ready";
      });
  return status.epoch() > 0 && takes_sequences && status.model().num_experts() > 0 &&
         status.experts_covered() == status.model().num_experts();
}

std::vector<std::string> ClusterProgress::Update(const v1::ClusterStatus& status) {
  std::vector<std::string> lines;
  const int attention = Count(status, v1::ROLE_ATTENTION);
  const int expert = Count(status, v1::ROLE_EXPERT);
  if (attention + expert == 0) return lines;
  Say(absl::StrCat("workers: ", attention, " of ", attention_workers_, " attention, ", expert,
                   " of ", expert_workers_, " expert have joined"),
      workers_, lines);
  if (status.epoch() > 0) {
    Say(absl::StrCat("experts: ", status.experts_covered(), " of ", status.model().num_experts(),
                     " of every layer are held"),
        experts_, lines);
  }
  return lines;
}

}  // namespace sextant::cli
