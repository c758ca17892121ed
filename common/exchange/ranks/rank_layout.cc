#include "common/exchange/ranks/rank_layout.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"

namespace sextant {
namespace {

constexpr std::int32_t kNoExpert = -1;

// Empty: there is nothing wrong with this rank.
std::string WhyNotRank(const RankRole& role, std::int32_t num_experts) {
  if (!role.attends && role.experts.empty()) return "neither attends nor holds experts";
  std::int32_t last = kNoExpert;
  for (const std::int32_t expert : role.experts) {
    if (expert < 0 || expert >= num_experts) {
      return absl::StrCat("holds expert ", expert, " of ", num_experts);
    }
    if (expert <= last) return absl::StrCat("holds expert ", expert, " after ", last);
    last = expert;
  }
  return {};
}

}  // namespace

absl::StatusOr<RankLayout> RankLayout::Make(std::int32_t num_experts, std::vector<RankRole> ranks) {
  if (num_experts < 1) {
    return absl::InvalidArgumentError(absl::StrCat("ranks for ", num_experts, " experts"));
  }
  bool attended = false;
  std::vector<bool> held(static_cast<std::size_t>(num_experts));
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    const RankRole& role = ranks[rank];
    if (const std::string why = WhyNotRank(role, num_experts); !why.empty()) {
      return absl::InvalidArgumentError(absl::StrCat("rank ", rank, " ", why));
    }
    attended = attended || role.attends;
    for (const std::int32_t expert : role.experts) held[static_cast<std::size_t>(expert)] = true;
  }
  if (!attended) return absl::InvalidArgumentError("no rank attends");
  for (std::size_t expert = 0; expert < held.size(); ++expert) {
    if (!held[expert]) {
      return absl::InvalidArgumentError(absl::StrCat("no rank holds expert ", expert));
    }
  }
  return RankLayout(num_experts, std::move(ranks));
}

RankLayout::RankLayout(std::int32_t num_experts, std::vector<RankRole> ranks)
    : num_experts_(num_experts), ranks_(std::move(ranks)) {
  for (int rank = 0; rank < size(); ++rank) {
    if (role(rank).attends) attention_.push_back(rank);
    if (!role(rank).experts.empty()) experts_.push_back(rank);
  }
}

std::vector<ExpertSeat> RankLayout::SeatsFor(int attention) const {
  CHECK_GE(attention, 0);
  CHECK_LT(static_cast<std::size_t>(attention), attention_.size());
  std::vector<std::vector<ExpertSeat>> holders(static_cast<std::size_t>(num_experts_));
  for (std::size_t destination = 0; destination < experts_.size(); ++destination) {
    const std::vector<std::int32_t>& held = role(experts_[destination]).experts;
    for (std::size_t local = 0; local < held.size(); ++local) {
      holders[static_cast<std::size_t>(held[local])].push_back(
          {static_cast<std::int32_t>(destination), static_cast<std::int32_t>(local)});
    }
  }
  std::vector<ExpertSeat> seats;
  seats.reserve(holders.size());
  auto turn = static_cast<std::size_t>(attention);
  for (const std::vector<ExpertSeat>& of_expert : holders) {
    seats.push_back(of_expert[turn % of_expert.size()]);
    if (of_expert.size() > 1) ++turn;
  }
  return seats;
}

}  // namespace sextant
