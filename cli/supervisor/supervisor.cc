#include "cli/supervisor/supervisor.h"

#include <algorithm>
#include <csignal>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sextant::cli {
namespace {

std::string HowItEnded(int status) {
  return status < 0 ? absl::StrCat("was killed by signal ", -status)
                    : absl::StrCat("exited with status ", status);
}

int CountOf(const std::map<ChildKind, int>& counts, ChildKind kind) {
  const auto found = counts.find(kind);
  return found == counts.end() ? 0 : found->second;
}

}  // namespace

Supervisor::Supervisor(std::vector<ChildSpec> children, const Options& options, ChildHost& host,
                       Listener listener)
    : options_(options), host_(host), listener_(std::move(listener)) {
  for (ChildSpec& spec : children) {
    const int index = wanted_[spec.kind]++;
    children_.push_back({.spec = std::move(spec), .index = index});
  }
}

void Supervisor::Start(absl::Time now) {
  for (Child& child : children_) StartChild(child, now);
}

void Supervisor::StartChild(Child& child, absl::Time now) {
  const absl::StatusOr<int> pid = host_.Start(child.spec);
  if (!pid.ok()) {
    AfterDeath(child, absl::StrCat("cannot be started: ", pid.status().message()), now);
    return;
  }
  child.pid = *pid;
  child.state = State::kStarting;
}

Supervisor::Child* Supervisor::Find(int pid) {
  const auto found = std::find_if(children_.begin(), children_.end(),
                                  [pid](const Child& child) { return child.pid == pid; });
  return found == children_.end() ? nullptr : &*found;
}

void Supervisor::Handle(const ChildEvent& event, absl::Time now) {
  if (const auto* ready = std::get_if<ChildReady>(&event)) {
    OnReady(ready->pid, now);
  } else if (const auto* exited = std::get_if<ChildExited>(&event)) {
    OnExit(exited->pid, exited->status, now);
  } else {
    RequestStop(now);
  }
}

void Supervisor::OnReady(int pid, absl::Time now) {
  Child* child = Find(pid);
  if (child == nullptr || child->state != State::kStarting) return;
  child->state = State::kReady;
  child->was_ready = true;
  child->trouble.clear();
  child->next = now;
  if (AllReady()) all_were_ready_ = true;
}

void Supervisor::OnExit(int pid, int status, absl::Time now) {
  Child* child = Find(pid);
  if (child == nullptr) return;
  const bool was_stable =
      child->state == State::kReady && now - child->next >= options_.stable_after;
  child->pid = 0;
  child->kill_at.reset();
  const bool is_router = child->spec.kind == ChildKind::kRouter;
  if (phase_ == Phase::kStopping || (phase_ == Phase::kDraining && is_router)) {
    child->state = State::kGone;
    if (phase_ == Phase::kDraining && RouterIsGone()) StopAll(now);
    return;
  }
  if (child->leaving || (status == 0 && child->was_ready && !is_router)) {
    if (!child->leaving) --wanted_[child->spec.kind];
    Forget(*child, absl::StrCat(child->spec.name, " has left the cluster"));
    if (phase_ == Phase::kDraining && !HasRouter()) DrainWorkers(now);
    return;
  }
  if (was_stable) child->deaths = 0;
  AfterDeath(*child, HowItEnded(status), now);
}

void Supervisor::AfterDeath(Child& child, const std::string& how, absl::Time now) {
  ++child.deaths;
  ++deaths_[child.spec.kind];
  child.state = State::kPausing;
  if (!all_were_ready_ && child.deaths >= options_.startup_attempts) {
    failure_ = absl::AbortedError(absl::StrCat(child.spec.name, " ", how, ", ", child.deaths,
                                               " times in a row; what it says above is why"));
    StopAll(now);
    return;
  }
  const absl::Duration pause = std::min(
      options_.longest_pause, options_.first_pause * (1 << std::min(child.deaths - 1, 20)));
  child.next = now + pause;
  child.trouble = absl::StrCat(child.spec.name, " ", how, "; starting it again in ",
                               absl::FormatDuration(pause));
  listener_(child.trouble);
}

std::string Supervisor::Trouble() const {
  for (const Child& child : children_) {
    if (!child.trouble.empty()) return child.trouble;
  }
  return "";
}

int Supervisor::wanted(ChildKind kind) const { return CountOf(wanted_, kind); }

int Supervisor::deaths(ChildKind kind) const { return CountOf(deaths_, kind); }

int Supervisor::ready(ChildKind kind) const {
  return static_cast<int>(
      std::count_if(children_.begin(), children_.end(), [kind](const Child& child) {
        return child.spec.kind == kind && child.state == State::kReady && !child.leaving;
      }));
}

// Oldest first.
std::vector<Supervisor::Child*> Supervisor::Staying(ChildKind kind) {
  std::vector<Child*> staying;
  for (Child& child : children_) {
    if (child.spec.kind == kind && !child.leaving) staying.push_back(&child);
  }
  return staying;
}

// The youngest of those that do not run, that are no members, or of all.
Supervisor::Child& Supervisor::LeastUseful(ChildKind kind, const std::set<int>& members) {
  const auto use = [&](const Child& child) {
    if (child.pid == 0) return 0;
    return members.contains(child.pid) ? 2 : 1;
  };
  Child* least = nullptr;
  for (Child* child : Staying(kind)) {
    if (least == nullptr || use(*child) <= use(*least)) least = child;
  }
  return *least;
}

void Supervisor::SetWanted(ChildKind kind, int count, const std::set<int>& leaving,
                           const std::set<int>& members, absl::Time now) {
  if (phase_ != Phase::kRunning) return;
  wanted_[kind] = count;
  for (Child* child : Staying(kind)) {
    if (child->pid != 0 && leaving.contains(child->pid)) SendAway(*child, now);
  }
  while (static_cast<int>(Staying(kind).size()) > std::max(count, 0)) {
    Child& surplus = LeastUseful(kind, members);
    if (surplus.pid != 0) {
      SendAway(surplus, now);
    } else {
      Forget(surplus, absl::StrCat(surplus.spec.name, " is not started again"));
    }
  }
  for (int missing = count - static_cast<int>(Staying(kind).size()); missing > 0; --missing) {
    AddWorker(kind, now);
  }
}

// The lowest that no child of its kind has, but for `besides`.
int Supervisor::FreeIndex(ChildKind kind, const Child* besides) const {
  int index = 0;
  const auto is_taken = [&](const Child& child) {
    return child.spec.kind == kind && &child != besides && child.index == index;
  };
  while (std::any_of(children_.begin(), children_.end(), is_taken)) ++index;
  return index;
}

void Supervisor::AddWorker(ChildKind kind, absl::Time now) {
  const int index = FreeIndex(kind, nullptr);
  absl::StatusOr<ChildSpec> spec = options_.make_worker(kind, index, wanted(kind));
  if (!spec.ok()) {
    listener_(absl::StrCat("no further worker can be started: ", spec.status().message()));
    return;
  }
  listener_(absl::StrCat("starting ", spec->name));
  children_.push_back({.spec = *std::move(spec), .index = index});
  StartChild(children_.back(), now);
}

// Ports and GPUs go by index: while one of its kind was draining, this one may have been given an
// index that the host has nothing for.
void Supervisor::MoveUp(Child& child) {
  const ChildKind kind = child.spec.kind;
  if (kind == ChildKind::kRouter) return;
  const int index = FreeIndex(kind, &child);
  if (index >= child.index) return;
  absl::StatusOr<ChildSpec> spec = options_.make_worker(kind, index, wanted(kind));
  if (!spec.ok()) return;  // it stays what it is
  listener_(absl::StrCat("starting ", child.spec.name, " again as ", spec->name));
  child.spec = *std::move(spec);
  child.index = index;
}

void Supervisor::SendAway(Child& child, absl::Time now) {
  child.leaving = true;
  child.trouble.clear();
  host_.Signal(child.pid, SIGTERM);
  child.kill_at = now + options_.drain + options_.stop_patience;
}

void Supervisor::Forget(Child& child, const std::string& line) {
  listener_(line);
  children_.erase(children_.begin() + (&child - children_.data()));
}

void Supervisor::RequestStop(absl::Time now) {
  if (phase_ == Phase::kDraining) return StopAll(now);
  if (phase_ == Phase::kStopping) return;
  phase_ = Phase::kDraining;
  drain_until_ = now + options_.drain;
  if (!HasRouter()) {
    // Attention workers see to their streams for as long as that, and then there is more to do.
    drain_until_ += options_.stop_patience;
    return DrainWorkers(now);
  }
  for (Child& child : children_) {
    if (child.spec.kind != ChildKind::kRouter) continue;
    if (child.state == State::kPausing) child.state = State::kGone;
    if (child.pid != 0) host_.Signal(child.pid, SIGTERM);
  }
  if (RouterIsGone()) StopAll(now);
}

// Expert workers stay until no attention worker is left that may need them.
void Supervisor::DrainWorkers(absl::Time now) {
  const bool attends = std::any_of(children_.begin(), children_.end(), [](const Child& child) {
    return child.spec.kind == ChildKind::kAttentionWorker && child.pid != 0;
  });
  for (Child& child : children_) {
    if (attends && child.spec.kind == ChildKind::kExpertWorker) continue;
    if (child.state == State::kPausing) child.state = State::kGone;
    if (child.pid != 0 && !child.leaving) SendAway(child, now);
  }
}

bool Supervisor::HasRouter() const {
  return std::any_of(children_.begin(), children_.end(),
                     [](const Child& child) { return child.spec.kind == ChildKind::kRouter; });
}

bool Supervisor::RouterIsGone() const {
  return std::all_of(children_.begin(), children_.end(), [](const Child& child) {
    return child.spec.kind != ChildKind::kRouter || child.state == State::kGone;
  });
}

void Supervisor::StopAll(absl::Time now) {
  phase_ = Phase::kStopping;
  for (Child& child : children_) {
    if (child.state == State::kPausing) child.state = State::kGone;
    if (child.pid == 0) continue;
    host_.Signal(child.pid, SIGTERM);
    child.kill_at = now + options_.stop_patience;
  }
}

void Supervisor::OnTime(absl::Time now) {
  if (phase_ == Phase::kDraining && drain_until_ <= now) {
    listener_("the time for running streams is over; stopping now");
    StopAll(now);
  }
  for (Child& child : children_) {
    if (child.state == State::kPausing && child.next <= now) {
      MoveUp(child);
      StartChild(child, now);
    }
    if (child.kill_at.has_value() && *child.kill_at <= now) {
      listener_(absl::StrCat(child.spec.name, " does not stop; killing it"));
      child.kill_at.reset();
      host_.Signal(child.pid, SIGKILL);
    }
  }
}

void Supervisor::ReplaceFlag(ChildKind kind, const std::string& flag,
                             const std::vector<std::string>& values) {
  for (Child& child : children_) {
    if (child.spec.kind != kind) continue;
    std::vector<std::string>& arguments = child.spec.arguments;
    for (std::size_t i = 0; i + 1 < arguments.size();) {
      if (arguments[i] != flag) {
        ++i;
        continue;
      }
      const auto at = arguments.begin() + static_cast<std::ptrdiff_t>(i);
      arguments.erase(at, at + 2);
    }
    for (const std::string& value : values) arguments.insert(arguments.end(), {flag, value});
  }
}

absl::Time Supervisor::NextDeadline() const {
  absl::Time next = phase_ == Phase::kDraining ? drain_until_ : absl::InfiniteFuture();
  for (const Child& child : children_) {
    if (child.state == State::kPausing) {
      next = std::min(next, child.next);
    }
    if (child.kill_at.has_value()) next = std::min(next, *child.kill_at);
  }
  return next;
}

bool Supervisor::AllReady() const {
  return std::all_of(children_.begin(), children_.end(),
                     [](const Child& child) { return child.state == State::kReady; });
}

bool Supervisor::Done() const {
  return phase_ != Phase::kRunning &&
         std::all_of(children_.begin(), children_.end(),
                     [](const Child& child) { return child.state == State::kGone; });
}

}  // namespace sextant::cli
