#include "router/coordinator/placement.h"

#include <algorithm>
#include <map>

#include "common/base/check.h"

namespace sextant {
namespace {

struct Share {
  std::string worker;
  std::vector<std::size_t> experts;
};

// The workers with what they hold, those that hold most first: they get the larger shares, so that
// fewest experts have to leave. Experts without a holder go to `orphans`.
std::vector<Share> CurrentShares(const PlacementArgs& args, std::vector<std::size_t>& orphans) {
  std::map<std::string, Share> shares;
  for (const std::string& worker : args.workers) shares[worker].worker = worker;
  CHECK_EQ(shares.size(), args.workers.size());
  for (std::size_t expert = 0; expert < args.previous.size(); ++expert) {
    const auto found = shares.find(args.previous[expert]);
    (found == shares.end() ? orphans : found->second.experts).push_back(expert);
  }
  std::vector<Share> sorted;
  for (auto& [worker, share] : shares) sorted.push_back(std::move(share));
  std::stable_sort(sorted.begin(), sorted.end(), [](const Share& a, const Share& b) {
    return a.experts.size() > b.experts.size();
  });
  return sorted;
}

}  // namespace

ExpertHolders PlanPlacement(const PlacementArgs& args) {
  CHECK(!args.workers.empty());
  std::vector<std::size_t> homeless;
  std::vector<Share> shares = CurrentShares(args, homeless);
  const std::size_t least = args.previous.size() / shares.size();
  const std::size_t with_one_more = args.previous.size() % shares.size();
  const auto quota = [&](std::size_t i) { return least + (i < with_one_more ? 1U : 0U); };

  for (std::size_t i = 0; i < shares.size(); ++i) {
    std::vector<std::size_t>& experts = shares[i].experts;
    while (experts.size() > quota(i)) {
      homeless.push_back(experts.back());
      experts.pop_back();
    }
  }
  std::sort(homeless.begin(), homeless.end(), std::greater<>());
  ExpertHolders holders(args.previous.size());
  for (std::size_t i = 0; i < shares.size(); ++i) {
    std::vector<std::size_t>& experts = shares[i].experts;
    while (experts.size() < quota(i)) {
      experts.push_back(homeless.back());
      homeless.pop_back();
    }
    for (const std::size_t expert : experts) holders[expert] = shares[i].worker;
  }
  CHECK(homeless.empty());
  return holders;
}

}  // namespace sextant
