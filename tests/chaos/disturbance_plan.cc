#include "tests/chaos/disturbance_plan.h"

#include <algorithm>
#include <map>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sextant::chaos {
namespace {

// After its end a frozen worker joins again, and a killed one is replaced.
constexpr absl::Duration kRecovery = absl::Seconds(1);

class Planner {
 public:
  explicit Planner(const PlanArgs& args)
      : args_(args), random_(args.seed), experts_(args.experts) {}

  std::vector<Disturbance> Plan() {
    PlanScaling();
    std::size_t next_scale = 0;
    for (absl::Duration at = args_.interval; at < args_.duration; at += args_.interval) {
      for (; next_scale < scaling_.size() && scaling_[next_scale].at <= at; ++next_scale) {
        experts_ = scaling_[next_scale].experts;
      }
      // Those that go away at the next scaling do not count any more.
      if (next_scale < scaling_.size() && scaling_[next_scale].at < at + args_.interval) {
        experts_ = std::min(experts_, scaling_[next_scale].experts);
      }
      plan_.push_back(Draw(at));
    }
    plan_.insert(plan_.end(), scaling_.begin(), scaling_.end());
    std::stable_sort(plan_.begin(), plan_.end(),
                     [](const Disturbance& a, const Disturbance& b) { return a.at < b.at; });
    return std::move(plan_);
  }

 private:
  int Below(int limit) { return static_cast<int>(random_() % static_cast<unsigned>(limit)); }
  absl::Duration Between(int from_ms, int to_ms) {
    return absl::Milliseconds(from_ms + Below(to_ms - from_ms + 1));
  }

  void PlanScaling() {
    const auto parts = static_cast<double>(args_.scale.size());
    for (std::size_t i = 0; i < args_.scale.size(); ++i) {
      const double share = (static_cast<double>(i) + 0.25) / parts;
      scaling_.push_back({.at = args_.duration * share,
                          .kind = DisturbanceKind::kScale,
                          .experts = args_.scale[i]});
    }
  }

  Disturbance Draw(absl::Duration at) {
    Disturbance drawn{.at = at};
    drawn.worker = Below(3) == 0 ? WorkerKind::kAttention : WorkerKind::kExpert;
    if (!PickSlot(drawn)) {
      drawn.worker = WorkerKind::kExpert;
      if (!PickSlot(drawn)) drawn.slot = 0;
    }
    drawn.only_one = drawn.worker == WorkerKind::kExpert && experts_ == 1;
    drawn.kind = DrawKind(drawn.only_one);
    switch (drawn.kind) {
      case DisturbanceKind::kFreeze:
        drawn.lasting = Between(1200, 2500);
        drawn.killed_after = Below(3) == 0;
        break;
      case DisturbanceKind::kPause:
        drawn.lasting = Between(200, 450);
        break;
      case DisturbanceKind::kStarve:
        drawn.lasting = Between(1000, 1800);
        break;
      default:
        break;
    }
    busy_[{drawn.worker, drawn.slot}] = at + drawn.lasting + kRecovery;
    return drawn;
  }

  DisturbanceKind DrawKind(bool only_one) {
    if (only_one) return Below(2) == 0 ? DisturbanceKind::kKill : DisturbanceKind::kPause;
    const int tenth = Below(10);
    if (tenth < 4) return DisturbanceKind::kKill;
    if (tenth < 8) return DisturbanceKind::kFreeze;
    return tenth == 8 ? DisturbanceKind::kPause : DisturbanceKind::kStarve;
  }

  bool PickSlot(Disturbance& drawn) {
    const int slots = drawn.worker == WorkerKind::kAttention ? args_.attention : experts_;
    std::vector<int> free;
    for (int slot = 0; slot < slots; ++slot) {
      const auto busy = busy_.find({drawn.worker, slot});
      if (busy == busy_.end() || busy->second <= drawn.at) free.push_back(slot);
    }
    const bool all_must_be_free = drawn.worker == WorkerKind::kAttention;
    if (free.empty() || (all_must_be_free && static_cast<int>(free.size()) < slots)) return false;
    drawn.slot = free[static_cast<std::size_t>(Below(static_cast<int>(free.size())))];
    return true;
  }

  const PlanArgs& args_;
  std::mt19937_64 random_;
  int experts_;
  std::vector<Disturbance> scaling_;
  std::vector<Disturbance> plan_;
  std::map<std::pair<WorkerKind, int>, absl::Duration> busy_;
};

}  // namespace

std::string Disturbance::Name() const {
  if (kind == DisturbanceKind::kScale) return "expert workers scaled";
  const std::string who = worker == WorkerKind::kAttention ? "attention worker"
                          : only_one                       ? "only expert worker"
                                                           : "expert worker";
  switch (kind) {
    case DisturbanceKind::kKill:
      return absl::StrCat(who, " killed");
    case DisturbanceKind::kFreeze:
      return absl::StrCat(who, " frozen");
    case DisturbanceKind::kPause:
      return absl::StrCat(who, " paused");
    default:
      return absl::StrCat(who, " starved");
  }
}

std::vector<Disturbance> PlanDisturbances(const PlanArgs& args) { return Planner(args).Plan(); }

}  // namespace sextant::chaos
