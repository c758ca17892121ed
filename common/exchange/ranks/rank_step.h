// A step that all ranks take together: in it every rank exchanges rows in every MoE layer, also one
// that has no rows.
#pragma once

#include <cstdint>

namespace sextant {

// Slots: between each attention rank and each expert rank travels a slot of the same size in every
// layer, full or not, so that nobody has to know how many rows there are and the step can be
// captured. Exact: the ranks tell each other the numbers of rows first, which takes the host.
enum class RankStepForm : std::uint8_t { kSlots, kExact };

struct RankStep {
  std::uint64_t number = 0;  // ascending within an epoch, from 1
  RankStepForm form = RankStepForm::kSlots;
  std::int64_t slot_rows = 0;   // C: rows of a slot; every attention rank has at most so many
  std::int64_t slot_pairs = 0;  // P: outputs of a slot, one for each pair of row and expert there

  friend bool operator==(const RankStep&, const RankStep&) = default;
};

// The sizes of slots for steps in which no rank has more than `rows` rows.
//
// C is `rows`. Of the C K pairs of a rank a holder of 1 / D of the experts gets as many on average;
// P leaves room for twice that and 16 more, and never needs more than C K. A step that has more
// pairs for somebody is found out after it (kernels/exchange/plan_dispatch_cuda.h) and taken again
// in exact form.
[[nodiscard]] RankStep SlotsFor(std::int64_t rows, std::int64_t chosen, std::int64_t expert_ranks);

}  // namespace sextant
