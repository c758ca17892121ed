#include "cli/exchange/rank_children.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/base/status.h"

namespace sextant::cli {
namespace {

class RankChildren {
 public:
  RankChildren(ChildRunner& runner, const RankCommand& command)
      : runner_(runner), command_(command) {}

  // Until all have ended.
  absl::Status Run() {
    RETURN_IF_ERROR(Start({}));
    while (ended_ < command_.ranks) {
      for (const ChildEvent& event : runner_.Wait(absl::InfiniteDuration())) {
        RETURN_IF_ERROR(
            std::visit([this](const auto& happened) { return Handle(happened); }, event));
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<RankReport>> Read() const {
    std::vector<RankReport> reports;
    for (int rank = 0; rank < command_.ranks; ++rank) {
      absl::StatusOr<RankReport> report = ReadRankReport(ReportOf(rank));
      if (!report.ok()) return AddContext(report.status(), absl::StrCat("rank ", rank));
      reports.push_back(*std::move(report));
    }
    return reports;
  }

 private:
  std::string ReportOf(int rank) const {
    return absl::StrCat(command_.folder, "/rank-", rank, ".json");
  }

  // The next rank.
  absl::Status Start(const std::vector<std::string>& more) {
    const auto rank = static_cast<int>(pids_.size());
    ChildSpec child{.name = absl::StrCat("rank-", rank), .arguments = command_.arguments};
    for (const std::string& argument :
         {std::string(kRankFlag), absl::StrCat(rank), std::string(kReportFlag), ReportOf(rank)}) {
      child.arguments.push_back(argument);
    }
    child.arguments.insert(child.arguments.end(), more.begin(), more.end());
    ASSIGN_OR_RETURN(const int pid, runner_.Start(child));
    pids_.push_back(pid);
    return absl::OkStatus();
  }

  absl::Status Handle(const ChildReady& ready) {
    if (ready.targets.size() != 1 || pids_.size() > 1) return absl::OkStatus();
    while (static_cast<int>(pids_.size()) < command_.ranks) {
      RETURN_IF_ERROR(Start({kIdFlag, ready.targets.front()}));
    }
    return absl::OkStatus();
  }

  absl::Status Handle(const ChildExited& exited) {
    ++ended_;
    const auto rank =
        static_cast<int>(std::find(pids_.begin(), pids_.end(), exited.pid) - pids_.begin());
    const std::string name = absl::StrCat("rank ", rank);
    if (exited.status < 0) {
      return absl::InternalError(absl::StrCat(name, " was ended by signal ", -exited.status));
    }
    if (exited.status != 0) {
      RETURN_IF_ERROR(AddContext(ReadRankReport(ReportOf(rank)).status(), name));
      return absl::InternalError(absl::StrCat(name, " has ended with status ", exited.status));
    }
    if (static_cast<int>(pids_.size()) == command_.ranks) return absl::OkStatus();
    return absl::InternalError(absl::StrCat(name, " has ended and made no id"));
  }

  absl::Status Handle(const StopRequested& /*stop*/) { return absl::CancelledError("interrupted"); }

  ChildRunner& runner_;
  const RankCommand& command_;
  std::vector<int> pids_;  // by rank
  int ended_ = 0;
};

}  // namespace

absl::StatusOr<std::vector<RankReport>> RunRanks(ChildRunner& runner, const RankCommand& command) {
  RankChildren children(runner, command);
  RETURN_IF_ERROR(children.Run());
  return children.Read();
}

}  // namespace sextant::cli
