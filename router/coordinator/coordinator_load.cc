#include <algorithm>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/status.h"
#include "router/coordinator/coordinator.h"

namespace sextant {
namespace {

v1::ChangeProgress Shown(const RebalancePlan& plan, std::int64_t expert_bytes) {
  v1::ChangeProgress shown;
  shown.set_phase("plan");
  shown.set_experts_moved(plan.moved);
  shown.set_bytes_moved(plan.moved * expert_bytes);
  shown.set_message(absl::StrFormat(
      "%s to move; the busiest expert worker gets %.2f times the mean load, and %.2f times "
      "afterwards",
      MovedText(plan.moved, shown.bytes_moved()), plan.imbalance_before, plan.imbalance_after));
  return shown;
}

double Sum(const ExpertLoads& loads) { return std::accumulate(loads.begin(), loads.end(), 0.0); }

}  // namespace

bool Coordinator::CountLoad(const v1::Heartbeat& beat) {
  const absl::Time now = clock_.Now();
  const auto experts = static_cast<std::int32_t>(holders_.size());
  for (const v1::ExpertLoad& load : beat.expert_load()) {
    if (load.expert() < 0 || load.expert() >= experts || load.rows() < 0) return false;
    load_.Add(static_cast<std::size_t>(load.expert()), load.rows(), now);
  }
  return true;
}

// Needs an epoch in force and an expert worker that may hold experts.
RebalancePlan Coordinator::PlanByLoad() const {
  const std::vector<std::string> workers = Candidates();
  const ExpertLoads loads = load_.Rates(clock_.Now());
  const HolderLists previous = PreviousHolders();
  const HolderLists by_count = PlanHolders(workers, previous, false);
  const HolderLists by_load = PlanHolders(workers, previous, true);
  return {.moved = CountMoves(previous, by_load),
          .imbalance_before = Imbalance(workers, FirstOf(by_count), loads),
          .imbalance_after = Imbalance(workers, FirstOf(by_load), loads)};
}

absl::StatusOr<RebalancePlan> Coordinator::CheckRebalance() const {
  if (epoch_ == 0 || HasOrphans() || Candidates().empty()) {
    return absl::FailedPreconditionError(
        "not every expert has a holder yet; rebalance when the cluster is steady");
  }
  if (Sum(load_.Rates(clock_.Now())) <= 0) {
    return absl::FailedPreconditionError(
        "no load has been observed yet; rebalance when requests have been served for a while");
  }
  return PlanByLoad();
}

absl::StatusOr<v1::ChangeProgress> Coordinator::PlanRebalance() const {
  ASSIGN_OR_RETURN(const RebalancePlan plan, CheckRebalance());
  return Shown(plan, config_.expert_bytes);
}

absl::StatusOr<v1::ChangeProgress> Coordinator::Rebalance(std::uint64_t& number) {
  ASSIGN_OR_RETURN(const RebalancePlan plan, CheckRebalance());
  StartRebalancing(plan);
  number = rebalance_.number;
  // Nothing to move needs no epoch, unless one is due anyway.
  if (plan.moved == 0 && !change_.has_value()) FinishRebalancing();
  Advance();
  return Shown(plan, config_.expert_bytes);
}

void Coordinator::StartRebalancing(const RebalancePlan& plan) {
  rebalance_ = {.number = ++rebalances_,
                .done = false,
                .began = clock_.Now(),
                .ended = absl::InfiniteFuture(),
                .plan = plan,
                .moved_before = moved_};
  Note(absl::StrFormat("rebalancing: the busiest expert worker gets %.2f times the mean load",
                       plan.imbalance_before));
}

void Coordinator::FinishRebalancing() {
  if (rebalance_.done) return;
  rebalance_.done = true;
  rebalance_.ended = clock_.Now();
  rebalance_.moved = moved_ - rebalance_.moved_before;
  uneven_since_ = absl::InfiniteFuture();
}

void Coordinator::ConsiderRebalancing(absl::Time now) {
  if (!config_.placement.auto_rebalance) return;
  const bool calm = IsCalm();
  const ExpertLoads loads = load_.Rates(now);
  const double imbalance = calm ? Imbalance(Candidates(), FirstOf(holders_), loads) : 1;
  if (!calm || Sum(loads) < config_.least_rows || imbalance < config_.uneven_above) {
    uneven_since_ = absl::InfiniteFuture();
    return;
  }
  uneven_since_ = std::min(uneven_since_, now);
  if (now - uneven_since_ < config_.uneven_for || now - committed_at_ < config_.rebalance_pause) {
    return;
  }
  const RebalancePlan plan = PlanByLoad();
  if (plan.imbalance_after - 1 > (imbalance - 1) / 2) {
    // One expert is the hot one, say; asking again soon would find the same.
    uneven_since_ = absl::InfiniteFuture();
    return;
  }
  StartRebalancing(plan);
}

void Coordinator::FillLoad(v1::ClusterStatus& status) const {
  for (const double rate : load_.Rates(clock_.Now())) status.add_expert_load(rate);
  if (rebalance_.number == 0) return;
  v1::RebalanceStatus& shown = *status.mutable_rebalance();
  shown.set_number(rebalance_.number);
  shown.set_done(rebalance_.done);
  const std::int64_t moved = rebalance_.done ? rebalance_.moved : moved_ - rebalance_.moved_before;
  shown.set_experts_moved(moved);
  shown.set_bytes_moved(moved * config_.expert_bytes);
  shown.set_imbalance_before(rebalance_.plan.imbalance_before);
  shown.set_imbalance_after(rebalance_.plan.imbalance_after);
  shown.set_seconds(
      absl::ToDoubleSeconds(std::min(rebalance_.ended, clock_.Now()) - rebalance_.began));
}

}  // namespace sextant
