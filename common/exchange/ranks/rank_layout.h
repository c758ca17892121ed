// Who is what among the GPUs of an epoch: one list of ranks, of which each attends to sequences of
// its own, holds routed experts, or does both. Nothing else knows whether the halves of the model
// are together or apart.
//
// Shapes:    N ranks; A of them attend, D of them hold experts, each in ascending rank; E routed
//            experts, each held by one rank or more.
// Threads:   immutable.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace sextant {

struct RankRole {
  bool attends = false;
  std::vector<std::int32_t> experts;  // in every MoE layer, ascending ids
};

// Where an attention rank sends the rows of an expert.
struct ExpertSeat {
  std::int32_t destination = 0;  // in [0, D)
  std::int32_t local = 0;        // which one of that rank's experts
};

class RankLayout {
 public:
  // Errors: InvalidArgument for no experts, a rank without a role, no rank that attends, an expert
  // that is out of range, out of order, or held by nobody; names the rank or the expert.
  [[nodiscard]] static absl::StatusOr<RankLayout> Make(std::int32_t num_experts,
                                                       std::vector<RankRole> ranks);

  [[nodiscard]] int size() const { return static_cast<int>(ranks_.size()); }  // N
  [[nodiscard]] std::int32_t num_experts() const { return num_experts_; }     // E
  [[nodiscard]] const RankRole& role(int rank) const {
    return ranks_[static_cast<std::size_t>(rank)];
  }
  [[nodiscard]] absl::Span<const int> attention_ranks() const { return attention_; }  // [A]
  [[nodiscard]] absl::Span<const int> expert_ranks() const { return experts_; }       // [D]

  // [E] for the attention rank `attention`, in [0, A). The holders of an expert that has several
  // take turns among the attention ranks, and among such experts of one attention rank.
  [[nodiscard]] std::vector<ExpertSeat> SeatsFor(int attention) const;

 private:
  RankLayout(std::int32_t num_experts, std::vector<RankRole> ranks);

  std::int32_t num_experts_;
  std::vector<RankRole> ranks_;
  std::vector<int> attention_;
  std::vector<int> experts_;
};

}  // namespace sextant
