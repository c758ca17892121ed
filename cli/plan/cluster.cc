#include "cli/plan/cluster.h"

#include <algorithm>

#include "common/base/check.h"

namespace sextant::cli {
namespace {

// Part `i` of `total` in `parts` parts that differ by one at most, the larger ones first.
std::int64_t EvenPart(std::int64_t total, std::int64_t parts, std::int64_t i) {
  return total / parts + (i < total % parts ? 1 : 0);
}

std::vector<Rank> RanksApart(const RankCounts& counts) {
  const std::int64_t nodes = (counts.gpus + counts.gpus_per_node - 1) / counts.gpus_per_node;
  std::vector<std::int64_t> room(static_cast<std::size_t>(nodes), counts.gpus_per_node);
  room.back() = counts.gpus - (nodes - 1) * counts.gpus_per_node;
  const auto take = [&room](std::int64_t node) {
    while (room[static_cast<std::size_t>(node)] == 0) {
      node = (node + 1) % static_cast<std::int64_t>(room.size());
    }
    --room[static_cast<std::size_t>(node)];
    return node;
  };
  std::vector<Rank> ranks;
  for (std::int64_t i = 0; i < counts.attention; ++i) {
    ranks.push_back({.node = take(i % nodes), .attention = true});
  }
  const std::int64_t holders = counts.gpus - counts.attention;
  for (std::int64_t i = 0; i < holders; ++i) {
    ranks.push_back({.node = take(0), .experts = EvenPart(counts.experts, holders, i)});
  }
  return ranks;
}

}  // namespace

const char* Name(Form form) {
  switch (form) {
    case Form::kOne:
      return "one";
    case Form::kColocated:
      return "colocated";
    case Form::kApart:
      return "apart";
  }
  return "";
}

std::int64_t Cluster::AttentionRanks() const {
  return std::count_if(ranks.begin(), ranks.end(), [](const Rank& rank) { return rank.attention; });
}

std::int64_t Cluster::MostExperts() const {
  std::int64_t most = 0;
  for (const Rank& rank : ranks) most = std::max(most, rank.experts);
  return most;
}

std::vector<Rank> MakeRanks(const RankCounts& counts) {
  CHECK_GE(counts.gpus, 1);
  CHECK_GE(counts.gpus_per_node, 1);
  if (counts.form == Form::kApart) {
    CHECK_GE(counts.attention, 1);
    CHECK_LT(counts.attention, counts.gpus);
    return RanksApart(counts);
  }
  std::vector<Rank> ranks;
  for (std::int64_t i = 0; i < counts.gpus; ++i) {
    ranks.push_back({.node = i / counts.gpus_per_node,
                     .attention = true,
                     .experts = EvenPart(counts.experts, counts.gpus, i)});
  }
  return ranks;
}

}  // namespace sextant::cli
