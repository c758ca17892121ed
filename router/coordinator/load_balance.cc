#include "router/coordinator/load_balance.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <utility>

#include "common/base/check.h"

namespace sextant {
namespace {

struct Share {
  std::vector<std::size_t> experts;  // ascending
  double load = 0;
};
using Shares = std::map<std::string, Share>;

Shares SharesOf(const std::vector<std::string>& workers, const ExpertHolders& holders,
                const ExpertLoads& loads) {
  CHECK(!workers.empty());
  CHECK_EQ(holders.size(), loads.size());
  Shares shares;
  for (const std::string& worker : workers) shares[worker];
  for (std::size_t expert = 0; expert < holders.size(); ++expert) {
    const auto share = shares.find(holders[expert]);
    CHECK(share != shares.end());
    share->second.experts.push_back(expert);
    share->second.load += loads[expert];
  }
  return shares;
}

// What to do next: `expert` goes from the busiest to `worker`, and `back`, if it is one, the other
// way.
struct Step {
  std::string worker;
  std::size_t expert = 0;
  std::optional<std::size_t> back{};
  double gain = 0;  // for each expert that moves
};

class Balancer {
 public:
  explicit Balancer(const LoadBalanceArgs& args)
      : loads_(args.loads), shares_(SharesOf(args.workers, args.current, args.loads)) {
    const std::size_t workers = shares_.size();
    most_ = (args.current.size() + workers - 1) / workers +
            static_cast<std::size_t>(std::max(args.spare_slots, 0));
    const double total = std::accumulate(loads_.begin(), loads_.end(), 0.0);
    least_gain_ = args.least_gain * total / static_cast<double>(workers);
  }

  // Whether there was something to gain.
  bool Improve(ExpertHolders& holders) {
    const auto busiest = std::max_element(
        shares_.begin(), shares_.end(),
        [](const auto& a, const auto& b) { return a.second.load < b.second.load; });
    std::optional<Step> best;
    for (const auto& [worker, share] : shares_) {
      if (worker == busiest->first) continue;
      for (const std::size_t expert : busiest->second.experts) {
        if (share.experts.size() < most_) {
          Consider({.worker = worker, .expert = expert}, busiest->second.load, share.load, best);
        }
        for (const std::size_t back : share.experts) {
          Consider({.worker = worker, .expert = expert, .back = back}, busiest->second.load,
                   share.load, best);
        }
      }
    }
    if (!best.has_value()) return false;
    Move(best->expert, busiest->first, best->worker, holders);
    if (best->back.has_value()) Move(*best->back, best->worker, busiest->first, holders);
    return true;
  }

 private:
  void Consider(Step step, double from, double to, std::optional<Step>& best) const {
    double moved = loads_[step.expert];
    if (step.back.has_value()) moved -= loads_[*step.back];
    const double gain = from - std::max(from - moved, to + moved);
    if (gain <= least_gain_) return;
    step.gain = step.back.has_value() ? gain / 2 : gain;
    if (!best.has_value() || step.gain > best->gain) best = std::move(step);
  }

  void Move(std::size_t expert, const std::string& from, const std::string& to,
            ExpertHolders& holders) {
    holders[expert] = to;
    Share& loser = shares_.at(from);
    Share& winner = shares_.at(to);
    std::erase(loser.experts, expert);
    winner.experts.insert(std::lower_bound(winner.experts.begin(), winner.experts.end(), expert),
                          expert);
    loser.load -= loads_[expert];
    winner.load += loads_[expert];
  }

  const ExpertLoads& loads_;
  Shares shares_;
  std::size_t most_ = 0;
  double least_gain_ = 0;
};

// Hottest first; the lower id among equals.
std::vector<std::size_t> Hottest(const ExpertLoads& loads, std::size_t experts) {
  std::vector<std::size_t> order(experts);
  std::iota(order.begin(), order.end(), 0);
  if (!loads.empty()) {
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return loads[a] > loads[b]; });
  }
  return order;
}

bool Contains(const std::vector<std::string>& list, const std::string& worker) {
  return std::find(list.begin(), list.end(), worker) != list.end();
}

}  // namespace

ExpertHolders BalanceLoad(const LoadBalanceArgs& args) {
  ExpertHolders holders = args.current;
  Balancer balancer(args);
  // Every step lowers the sum of the squares of the loads, so that it ends; the limit is for
  // rounding.
  for (std::size_t step = 0; step < 4 * holders.size() && balancer.Improve(holders); ++step) {
  }
  return holders;
}

double Imbalance(const std::vector<std::string>& workers, const ExpertHolders& holders,
                 const ExpertLoads& loads) {
  double most = 0;
  double total = 0;
  for (const auto& [worker, share] : SharesOf(workers, holders, loads)) {
    most = std::max(most, share.load);
    total += share.load;
  }
  return total > 0 ? most * static_cast<double>(workers.size()) / total : 1;
}

HolderLists AddReplicas(const ReplicaArgs& args) {
  const std::size_t experts = args.holders.size();
  HolderLists lists(experts);
  for (std::size_t expert = 0; expert < experts; ++expert) lists[expert] = {args.holders[expert]};
  const auto wanted = std::min(static_cast<std::size_t>(std::max(args.replicas, 0)), experts);
  if (wanted == 0 || args.workers.size() < 2) return lists;
  const std::size_t most = (wanted + args.workers.size() - 1) / args.workers.size();
  const std::vector<std::size_t> hottest = Hottest(args.loads, experts);
  const auto load = [&](std::size_t expert) {
    return args.loads.empty() ? 1.0 : args.loads[expert];
  };

  std::map<std::string, double> busy;
  std::map<std::string, std::size_t> copies;
  for (const std::string& worker : args.workers) busy[worker] = 0;
  for (std::size_t expert = 0; expert < experts; ++expert) {
    busy[args.holders[expert]] += load(expert);
  }
  std::size_t placed = 0;
  const auto copy = [&](std::size_t expert, const std::string& worker) {
    lists[expert].push_back(worker);
    ++copies[worker];
    ++placed;
    // The copy takes about half of the expert's rows.
    busy[args.holders[expert]] -= load(expert) / 2;
    busy[worker] += load(expert) / 2;
  };

  const double enough = load(hottest[wanted - 1]) / 2;
  for (const std::size_t expert : hottest) {
    if (placed == wanted || load(expert) < enough) break;
    if (expert >= args.previous.size()) continue;
    for (const std::string& worker : args.previous[expert]) {
      if (worker == args.holders[expert] || !busy.contains(worker) || copies[worker] >= most) {
        continue;
      }
      copy(expert, worker);
      break;
    }
  }
  for (const std::size_t expert : hottest) {
    if (placed == wanted) break;
    if (lists[expert].size() > 1) continue;
    // For the last ones there may be room at their own holders alone: those go beyond the share.
    const auto rank = [&](const std::string& worker) {
      return copies[worker] < most ? std::make_pair(0, busy[worker])
                                   : std::make_pair(1, static_cast<double>(copies[worker]));
    };
    std::string least;
    for (const auto& [worker, work] : busy) {
      if (Contains(lists[expert], worker)) continue;
      if (least.empty() || rank(worker) < rank(least)) least = worker;
    }
    copy(expert, least);
  }
  return lists;
}

ExpertHolders FirstOf(const HolderLists& holders) {
  ExpertHolders first;
  for (const std::vector<std::string>& list : holders) {
    first.push_back(list.empty() ? "" : list.front());
  }
  return first;
}

std::vector<std::int32_t> ExpertsOf(const HolderLists& holders, const std::string& worker) {
  std::vector<std::int32_t> experts;
  for (std::size_t expert = 0; expert < holders.size(); ++expert) {
    if (Contains(holders[expert], worker)) experts.push_back(static_cast<std::int32_t>(expert));
  }
  return experts;
}

int CountHeld(const HolderLists& holders) {
  int held = 0;
  for (const std::vector<std::string>& list : holders) held += static_cast<int>(list.size());
  return held;
}

int CountMoves(const HolderLists& before, const HolderLists& after) {
  int moves = 0;
  for (std::size_t expert = 0; expert < after.size(); ++expert) {
    for (const std::string& worker : after[expert]) {
      if (expert >= before.size() || !Contains(before[expert], worker)) ++moves;
    }
  }
  return moves;
}

}  // namespace sextant
