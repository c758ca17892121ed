#include "common/exchange/ranks/rank_step.h"

#include <gtest/gtest.h>

namespace sextant {
namespace {

struct Slots {
  std::int64_t rows;
  std::int64_t chosen;
  std::int64_t expert_ranks;
  std::int64_t pairs;
};

TEST(RankStepTest, ASlotHasRoomForTwiceTheAverageAndSixteenMoreUpToAllPairs) {
  constexpr Slots kTable[] = {
      {.rows = 0, .chosen = 6, .expert_ranks = 4, .pairs = 0},
      {.rows = 1, .chosen = 6, .expert_ranks = 8, .pairs = 6},
      {.rows = 2, .chosen = 6, .expert_ranks = 8, .pairs = 12},
      {.rows = 4, .chosen = 6, .expert_ranks = 8, .pairs = 22},
      {.rows = 3, .chosen = 6, .expert_ranks = 64, .pairs = 17},
      {.rows = 64, .chosen = 6, .expert_ranks = 1, .pairs = 384},
      {.rows = 64, .chosen = 6, .expert_ranks = 2, .pairs = 384},
      {.rows = 64, .chosen = 6, .expert_ranks = 3, .pairs = 272},
      {.rows = 64, .chosen = 6, .expert_ranks = 8, .pairs = 112},
      {.rows = 65, .chosen = 6, .expert_ranks = 8, .pairs = 114},
      {.rows = 256, .chosen = 1, .expert_ranks = 7, .pairs = 90},
  };
  for (const Slots& slots : kTable) {
    const RankStep step = SlotsFor(slots.rows, slots.chosen, slots.expert_ranks);
    EXPECT_EQ(step, (RankStep{.number = 0,
                              .form = RankStepForm::kSlots,
                              .slot_rows = slots.rows,
                              .slot_pairs = slots.pairs}))
        << slots.rows << " rows, " << slots.expert_ranks << " expert ranks: " << step.slot_pairs;
  }
}

}  // namespace
}  // namespace sextant
