#include "common/exchange/holder_table.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"

namespace sextant {
namespace {

absl::Status CheckWorker(const v1::PlacedWorker& worker, std::int32_t num_experts) {
  std::set<std::int32_t> seen;
  for (const std::int32_t expert : worker.experts()) {
    if (expert < 0 || expert >= num_experts) {
      return absl::InvalidArgumentError(
          absl::StrCat("expert ", expert, " is outside [0, ", num_experts, ")"));
    }
    if (!seen.insert(expert).second) {
      return absl::InvalidArgumentError(absl::StrCat("expert ", expert, " is listed twice"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckPlacement(const v1::Placement& placement, std::int32_t num_experts) {
  if (placement.epoch() == 0) return absl::InvalidArgumentError("a placement has no epoch");
  std::set<std::string> ids;
  for (const v1::PlacedWorker& worker : placement.expert_workers()) {
    const std::string place =
        absl::StrCat("placement ", placement.epoch(), ", worker '", worker.worker_id(), "'");
    if (worker.worker_id().empty()) {
      return absl::InvalidArgumentError(absl::StrCat(place, ": it has no id"));
    }
    if (!ids.insert(worker.worker_id()).second) {
      return absl::InvalidArgumentError(absl::StrCat(place, ": it is named twice"));
    }
    absl::Status status = CheckWorker(worker, num_experts);
    if (!status.ok()) return AddContext(status, place);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<HolderTable> MakeHolderTable(
    const v1::Placement& placement, std::int32_t num_experts,
    absl::FunctionRef<HolderId(const v1::PlacedWorker&)> id_of) {
  RETURN_IF_ERROR(CheckPlacement(placement, num_experts));
  HolderTable table{.epoch = placement.epoch(), .holders_of = {}, .holders = {}};
  table.holders_of.resize(static_cast<std::size_t>(num_experts));
  for (const v1::PlacedWorker& worker : placement.expert_workers()) {
    const HolderId id = id_of(worker);
    table.holders.push_back(id);
    for (const std::int32_t expert : worker.experts()) {
      table.holders_of[static_cast<std::size_t>(expert)].push_back(id);
    }
  }
  return table;
}

}  // namespace sextant
