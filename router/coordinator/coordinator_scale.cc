#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/status.h"
#include "common/membership/roles.h"
#include "router/coordinator/coordinator.h"

namespace sextant {
namespace {

constexpr std::size_t kMostShown = 4;
constexpr char kGpuProfile[] = "cuda";  // of whole workers on GPUs, which alone have it

// "a, b, c, d and 3 more"
std::string Shown(const std::vector<std::string>& ids) {
  std::string text;
  for (std::size_t i = 0; i < std::min(ids.size(), kMostShown); ++i) {
    absl::StrAppend(&text, i == 0 ? "" : ", ", ids[i]);
  }
  if (ids.size() > kMostShown) absl::StrAppend(&text, " and ", ids.size() - kMostShown, " more");
  return text;
}

absl::Status CheckCount(v1::Role role, int count) {
  if (std::find(kRoles.begin(), kRoles.end(), role) == kRoles.end()) {
    return absl::InvalidArgumentError(
        "role: must be ROLE_ATTENTION, ROLE_EXPERT, ROLE_WHOLE or ROLE_COLOCATED");
  }
  if (count < 1 || count > kMostWorkers) {
    return absl::InvalidArgumentError(
        absl::StrCat("count: must be from 1 to ", kMostWorkers, ", is ", count));
  }
  return absl::OkStatus();
}

}  // namespace

std::string RoleText(v1::Role role, int count) {
  return absl::StrCat(RoleName(role), count == 1 ? " worker" : " workers");
}

std::string MovedText(std::int64_t experts, std::int64_t bytes) {
  std::string text = absl::StrCat(experts, experts == 1 ? " expert" : " experts");
  if (bytes >= 1000000000) {
    absl::StrAppendFormat(&text, " (%.2f GB)", 1e-9 * static_cast<double>(bytes));
  } else if (bytes > 0) {
    absl::StrAppendFormat(&text, " (%.2f MB)", 1e-6 * static_cast<double>(bytes));
  }
  return text;
}

// Those that are members and not on their way out.
std::vector<const Worker*> Coordinator::Staying(v1::Role role) const {
  std::vector<const Worker*> staying;
  for (const auto& [id, worker] : workers_) {
    if (worker.role() == role && !worker.leaving) staying.push_back(&worker);
  }
  return staying;
}

bool Coordinator::IsSupervised(const Worker& worker) const {
  return host_.has_value() && host_->host_id == worker.hello.endpoint().host_id() &&
         host_->pids.contains(worker.hello.pid());
}

// Those whose going costs least: who does not answer or serves nothing yet, then who holds the
// fewest experts or computes the fewest sequences, the youngest name among equals.
std::vector<std::string> Coordinator::ChooseLeavers(v1::Role role, int count) const {
  const auto cost = [this](const Worker& worker) {
    const std::int64_t load =
        worker.attends() ? worker.beat.running() + worker.beat.waiting()
                         : static_cast<std::int64_t>(ExpertsOf(holders_, worker.id()).size());
    return std::make_pair(IsReady(worker), load);
  };
  std::vector<const Worker*> staying = Staying(role);
  std::stable_sort(staying.begin(), staying.end(), [&](const Worker* a, const Worker* b) {
    const auto cost_a = cost(*a);
    const auto cost_b = cost(*b);
    return cost_a != cost_b ? cost_a < cost_b : a->id() > b->id();
  });
  std::vector<std::string> ids;
  for (const Worker* worker : staying) {
    if (static_cast<int>(ids.size()) < count) ids.push_back(worker->id());
  }
  return ids;
}

// Expert workers are for attention workers. Where neither is, nor was asked for, whole workers do
// the work of both. Attention and expert workers that are no ranks compute on CPUs.
absl::Status Coordinator::CheckUse(v1::Role role) const {
  if (role == v1::ROLE_COLOCATED && !agreement_.ranks().value_or(true)) {
    return absl::FailedPreconditionError(
        "the workers of this cluster exchange rows by streams, and colocated workers are ranks: it "
        "would refuse them; `sextant scale attention N` and `sextant scale experts N` change how "
        "many workers there are");
  }
  if (IsOfRanks(role)) return absl::OkStatus();
  if (role != v1::ROLE_WHOLE && agreement_.numeric_profile() == kGpuProfile) {
    return absl::FailedPreconditionError(absl::StrCat(
        "this cluster computes on GPUs, and would refuse ", RoleText(role, 2),
        ", which compute on CPUs; `sextant scale whole N` changes how many workers there are"));
  }
  if (role != v1::ROLE_EXPERT || Staying(v1::ROLE_WHOLE).empty()) return absl::OkStatus();
  const bool is_split = !Staying(v1::ROLE_EXPERT).empty() || !Staying(v1::ROLE_ATTENTION).empty() ||
                        IsShort(v1::ROLE_ATTENTION);
  if (is_split) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "the workers of this cluster are whole: they compute every expert themselves, and nobody "
      "would use an expert worker; `sextant scale whole N` changes how many there are (for a split "
      "model beside them, first `sextant scale attention N`)");
}

absl::StatusOr<v1::ChangeProgress> Coordinator::PlanScale(v1::Role role, int count) const {
  RETURN_IF_ERROR(CheckCount(role, count));
  RETURN_IF_ERROR(CheckUse(role));
  const int now = static_cast<int>(Staying(role).size());
  const std::vector<std::string> leavers = ChooseLeavers(role, std::max(now - count, 0));
  v1::ChangeProgress plan;
  plan.set_phase("plan");
  std::string message = absl::StrCat(now, " -> ", count, " ", RoleText(role, count));
  if (!leavers.empty()) absl::StrAppend(&message, ": ", Shown(leavers), " will leave");
  if (count > now) {
    absl::StrAppend(&message, ": ", count - now, " will be ",
                    host_.has_value() ? "started by " + host_->name : "waited for");
  }
  const bool holds = role == v1::ROLE_EXPERT || role == v1::ROLE_COLOCATED;
  if (holds && !holders_.empty()) {
    std::vector<std::string> workers;
    for (const auto& [id, worker] : workers_) {
      if (!worker.holds() || worker.leaving) continue;
      if (std::find(leavers.begin(), leavers.end(), id) == leavers.end()) workers.push_back(id);
    }
    // Names of their own for those who are to come; which they are does not change how many move.
    for (int i = now; i < count; ++i) workers.push_back(absl::StrCat("~", i));
    const HolderLists previous = PreviousHolders();
    const HolderLists planned = PlanHolders(workers, previous, false);
    const int moved = CountMoves(previous, planned);
    plan.set_experts_moved(moved);
    plan.set_bytes_moved(moved * config_.expert_bytes);
    absl::StrAppend(&message, "; ", MovedText(moved, plan.bytes_moved()), " of ",
                    CountHeld(planned), moved == 1 ? " moves" : " move");
  }
  plan.set_message(message);
  return plan;
}

absl::StatusOr<v1::ChangeProgress> Coordinator::Scale(v1::Role role, int count,
                                                      std::uint64_t& number) {
  ASSIGN_OR_RETURN(v1::ChangeProgress plan, PlanScale(role, count));
  const int now = static_cast<int>(Staying(role).size());
  Note(absl::StrCat("scaling from ", now, " to ", count, " ", RoleText(role, count)));
  number = ++scales_;
  goals_[role] = {.number = number,
                  .count = count,
                  .began = clock_.Now(),
                  .ended = absl::InfiniteFuture(),
                  .moved_before = moved_};
  for (const std::string& id : ChooseLeavers(role, std::max(now - count, 0))) {
    Leave(workers_.at(id));
  }
  if (host_.has_value()) SetHostWanted(role, count);
  Advance();
  return plan;
}

// Whether a goal has more workers to come.
bool Coordinator::IsShort(v1::Role role) const {
  const auto goal = goals_.find(role);
  return goal != goals_.end() && !goal->second.done &&
         static_cast<int>(Staying(role).size()) < goal->second.count;
}

// Without a host, whose processes it would see to, those go that join while there are enough.
void Coordinator::SendSurplusAway() {
  if (host_.has_value()) return;
  for (const auto& [role, goal] : goals_) {
    if (goal.done) continue;
    const int surplus = static_cast<int>(Staying(role).size()) - goal.count;
    for (const std::string& id : ChooseLeavers(role, std::max(surplus, 0))) {
      Leave(workers_.at(id));
    }
  }
}

bool Coordinator::IsReached(v1::Role role, const ScaleGoal& goal) const {
  const bool is_settled =
      !change_.has_value() && finished_epoch_ == epoch_ && !HasOrphans() && !is_broken_;
  if (role != v1::ROLE_WHOLE && !is_settled) return false;
  int ready = 0;
  for (const auto& [id, worker] : workers_) {
    if (worker.role() != role) continue;
    if (!IsReady(worker)) return false;
    ++ready;
  }
  return ready >= goal.count;
}

void Coordinator::FinishReachedGoals() {
  for (auto& [role, goal] : goals_) {
    if (goal.done || !IsReached(role, goal)) continue;
    goal.done = true;
    goal.ended = clock_.Now();
    goal.moved = moved_ - goal.moved_before;
    Note(absl::StrCat(
        "scaled to ", goal.count, " ", RoleText(role, goal.count), " after ",
        absl::FormatDuration(absl::Trunc(goal.ended - goal.began, absl::Milliseconds(1)))));
  }
}

void Coordinator::HostReported(StreamId stream, const v1::HostReport& report) {
  if (host_.has_value() && stream < host_->stream) return;  // of one that was replaced
  const bool is_new = !host_.has_value() || host_->stream != stream;
  if (is_new) {
    if (host_.has_value()) {
      output_.EndHost(host_->stream, absl::AbortedError(absl::StrCat(
                                         "the router follows another host: ", report.name())));
    }
    host_.emplace().stream = stream;
    Note(absl::StrCat(report.name(), " starts the workers"));
  }
  host_->name = report.name();
  host_->host_id = report.host_id();
  host_->pids = {report.pids().begin(), report.pids().end()};
  if (host_->problem != report.problem()) ++quiet_changes_;
  host_->problem = report.problem();
  if (is_new || report.obeyed() == host_->orders.number()) {
    for (const v1::RoleCount& wanted : report.wanted())
      host_->wanted[wanted.role()] = wanted.count();
  }
  for (const auto& [role, goal] : goals_) {
    if (!goal.done) SetHostWanted(role, goal.count);
  }
  Advance();
}

void Coordinator::HostClosed(StreamId stream) {
  if (!host_.has_value() || host_->stream != stream) return;
  Note(absl::StrCat(host_->name, " starts no workers any more"));
  host_.reset();
  Advance();
}

// Whether workers of the role are ranks.
bool Coordinator::IsOfRanks(v1::Role role) const {
  return role == v1::ROLE_COLOCATED || (role != v1::ROLE_WHOLE && AreRanks());
}

// Those that it does not supervise are counted, and the host runs the rest.
void Coordinator::SetHostWanted(v1::Role role, int count) {
  const std::vector<const Worker*> staying = Staying(role);
  const auto others = std::count_if(staying.begin(), staying.end(), [this](const Worker* worker) {
    return !IsSupervised(*worker);
  });
  host_->wanted[role] = std::max(count - static_cast<int>(others), 0);
}

// A worker has died. If the host did not run it, it runs one more where a goal counts on that.
void Coordinator::MakeGood(v1::Role role) {
  const auto goal = goals_.find(role);
  if (!host_.has_value() || goal == goals_.end()) return;
  if (static_cast<int>(Staying(role).size()) >= goal->second.count) return;
  SetHostWanted(role, goal->second.count);
}

void Coordinator::SendOrdersIfNew() {
  if (!host_.has_value()) return;
  v1::HostOrders orders;
  for (const v1::Role role : kRoles) {
    v1::RoleCount& wanted = *orders.add_wanted();
    wanted.set_role(role);
    wanted.set_count(host_->wanted[role]);
  }
  for (const auto& [id, worker] : workers_) {
    if (!IsSupervised(worker)) continue;
    if (worker.leaving) {
      orders.add_leaving_pids(worker.hello.pid());
    } else {
      orders.add_member_pids(worker.hello.pid());
    }
  }
  orders.set_number(host_->orders.number());
  if (orders.SerializeAsString() == host_->orders.SerializeAsString()) return;
  orders.set_number(orders.number() + 1);
  host_->orders = orders;
  output_.SendOrders(host_->stream, orders);
}

void Coordinator::FillScales(v1::ClusterStatus& status) const {
  for (const auto& [role, goal] : goals_) {
    v1::ScaleStatus& shown = *status.add_scales();
    shown.set_number(goal.number);
    shown.set_role(role);
    shown.set_count(goal.count);
    for (const auto& [id, worker] : workers_) {
      if (worker.role() != role) continue;
      shown.set_present(shown.present() + 1);
      if (IsReady(worker)) shown.set_ready(shown.ready() + 1);
    }
    shown.set_done(goal.done);
    const std::int64_t moved = goal.done ? goal.moved : moved_ - goal.moved_before;
    shown.set_experts_moved(moved);
    shown.set_bytes_moved(moved * config_.expert_bytes);
    shown.set_seconds(absl::ToDoubleSeconds(std::min(goal.ended, clock_.Now()) - goal.began));
  }
  if (!host_.has_value()) return;
  v1::HostStatus& host = *status.mutable_host();
  host.set_name(host_->name);
  host.set_problem(host_->problem);
  if (const auto found = host_->wanted.find(v1::ROLE_ATTENTION); found != host_->wanted.end()) {
    host.set_attention_workers(found->second);
  }
  if (const auto found = host_->wanted.find(v1::ROLE_EXPERT); found != host_->wanted.end()) {
    host.set_expert_workers(found->second);
  }
  if (const auto found = host_->wanted.find(v1::ROLE_WHOLE); found != host_->wanted.end()) {
    host.set_whole_workers(found->second);
  }
  if (const auto found = host_->wanted.find(v1::ROLE_COLOCATED); found != host_->wanted.end()) {
    host.set_colocated_workers(found->second);
  }
}

}  // namespace sextant
