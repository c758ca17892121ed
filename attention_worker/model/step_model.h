// What the engine needs of a model: one step over slices of any number of sequences.
//
// Shapes: V vocabulary.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "attention_worker/cache/latent_cache.h"
#include "common/tensor/matrix_view.h"

namespace sextant {

// Consecutive positions of one sequence.
struct SequenceSlice {
  absl::Span<const std::int32_t> token_ids;  // at positions start, start + 1, ...
  std::int64_t start = 0;
  bool generated = false;                  // decode path; else prompt positions: prefill path
  const SequenceBlocks* blocks = nullptr;  // writable for these positions, filled before them
  std::int64_t num_logits = 0;             // logits wanted of the last so many positions
};

class StepModel {
 public:
  virtual ~StepModel() = default;

  // Writes the latents of every slice's positions and returns the wanted logits, [sum of
  // num_logits, V], slice by slice; valid until the next call. Slices of generated positions come
  // before those of prompt positions. After an error the same slices can be given again.
  [[nodiscard]] virtual absl::StatusOr<MatrixView<const float>> Forward(
      absl::Span<const SequenceSlice> slices) = 0;
};

}  // namespace sextant
