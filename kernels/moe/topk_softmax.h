// Chooses the experts of each token: softmax over the gate's logits, then the K heaviest.
//
// Shapes:    T tokens, E routed experts, K chosen; row-major.
// Order:     heaviest first, equal logits to the lower id. Logits are what is compared (softmax
//            keeps their order), so every backend chooses the same ids, also where scores round
//            to the same value. A NaN ranks below every number.
// Groups:    with kept_groups < groups, E falls into `groups` contiguous runs; a group's score is
//            that of its heaviest expert (equal: the lower group). Experts outside the
//            kept_groups best get the score 0, and rank after all others by id: they are chosen
//            only when K exceeds the experts that are left, and then with weight 0.
// Numerics:  f32; softmax over all E, whatever the groups. With `normalise` the chosen weights are
//            divided by (their sum + 1e-20) and not scaled, otherwise multiplied by `scale`
//            (DeepSeek's modeling_deepseek.py, MoEGate). K = 1 is never normalised.
// Ownership: views borrow.
// Errors:    InvalidArgument when shapes disagree, K is outside [1, E], or the groups do not
//            divide E; outputs untouched.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "common/device/stream.h"
#include "common/tensor/matrix_view.h"

namespace sextant {

struct TopkSoftmaxArgs {
  MatrixView<const float> gate_logits;  // [T, E]
  std::int64_t groups = 1;              // n_group
  std::int64_t kept_groups = 1;         // topk_group, in [1, groups]
  bool normalise = false;               // norm_topk_prob
  float scale = 1.0F;                   // routed_scaling_factor
  MatrixView<float> weights;            // [T, K] out
  MatrixView<std::int32_t> expert_ids;  // [T, K] out, in [0, E), each at most once in a row
};
[[nodiscard]] absl::Status TopkSoftmax(Stream& stream, const TopkSoftmaxArgs& args);

}  // namespace sextant
