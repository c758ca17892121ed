// Ranks a token's experts by their logits alone: the part of TopkSoftmax that every vector version
// shares, so that they cannot choose differently.
#pragma once

#include <cstdint>

#include "kernels/moe/topk_softmax_rows.h"

namespace sextant {

// Writes rows.chosen ids, heaviest first; returns how many of them have a weight. The rest are
// experts of groups that were not kept, by id.
[[nodiscard]] std::int64_t SelectExperts(const TopkSoftmaxRows& rows, const float* gate_logits,
                                         std::int32_t* ids);

}  // namespace sextant
