#include "common/exchange/ranks/rank_step.h"

#include <algorithm>

#include "common/base/check.h"

namespace sextant {
namespace {

constexpr std::int64_t kSpread = 2;      // times the average
constexpr std::int64_t kMorePairs = 16;  // for few rows, which spread less evenly

}  // namespace

RankStep SlotsFor(std::int64_t rows, std::int64_t chosen, std::int64_t expert_ranks) {
  CHECK_GE(rows, 0);
  CHECK_GE(chosen, 1);
  CHECK_GE(expert_ranks, 1);
  const std::int64_t pairs = rows * chosen;
  const std::int64_t spread = (kSpread * pairs + expert_ranks - 1) / expert_ranks;
  return {.form = RankStepForm::kSlots,
          .slot_rows = rows,
          .slot_pairs = std::min(pairs, spread + kMorePairs)};
}

}  // namespace sextant
