// What the engine needs of a model: one step over slices of any number of sequences, and the tokens
// that follow.
//
// Shapes: V vocabulary.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "attention_worker/cache/latent_cache.h"
#include "common/base/status.h"
#include "common/tensor/matrix_view.h"
#include "kernels/sampling/sample.h"

namespace sextant {

// Consecutive positions of one sequence.
struct SequenceSlice {
  // At positions start, start + 1, ... With sampled_token one id, which is not read.
  absl::Span<const std::int32_t> token_ids;
  // The token is the one that StartSample, called last, chooses for the row of this slice's number.
  // All slices of a step have it or none.
  bool sampled_token = false;
  std::int64_t start = 0;
  bool generated = false;                  // decode path; else prompt positions: prefill path
  const SequenceBlocks* blocks = nullptr;  // writable for these positions, filled before them
  std::int64_t num_logits = 0;             // logits wanted of the last so many positions
};

// Tokens wanted after rows of logits of the last step: [first_row, first_row + rows.size()).
struct SampleStep {
  std::int64_t first_row = 0;
  absl::Span<const SampleRow> rows;
  absl::Span<const std::int32_t> banned_ids = {};  // ids without a token, ascending: never sampled
  absl::Span<absl::StatusOr<SampledToken>> results;  // [rows.size()] out
};

// What the gate chose for the rows of a step in one layer; for tests and load statistics.
class RoutingObserver {
 public:
  virtual ~RoutingObserver() = default;
  virtual void OnRouting(int layer, MatrixView<const std::int32_t> expert_ids,
                         MatrixView<const float> weights) = 0;
};

class StepModel {
 public:
  virtual ~StepModel() = default;

  // Writes the latents of every slice's positions and computes the wanted logits, [sum of
  // num_logits, V], slice by slice, which last until the next call. Slices of generated positions
  // come before those of prompt positions. After an error the same slices can be given again.
  [[nodiscard]] virtual absl::Status Forward(absl::Span<const SequenceSlice> slices) = 0;

  // Those logits; valid until the next call of Forward or Logits.
  [[nodiscard]] virtual absl::StatusOr<MatrixView<const float>> Logits() = 0;

  // Chooses tokens by those logits. Errors: those of Sample (kernels/sampling/sample.h).
  [[nodiscard]] virtual absl::Status Sample(const SampleStep& step) = 0;

  // A model whose steps run elsewhere can be told of the next one before it has done this one:
  //
  //   Forward(k), StartSample(k), Forward(k + 1) with sampled_token, StartSample(k + 1),
  //   FinishSample() of k, ...
  //
  // At most two samplings are under way; each is of all rows of its step.
  [[nodiscard]] virtual bool looks_ahead() const { return false; }
  // Reads `step` before it returns, but for its results, which FinishSample gives.
  [[nodiscard]] virtual absl::Status StartSample(const SampleStep& step);
  // Waits for the sampling that was started first of those under way, and gives its tokens.
  [[nodiscard]] virtual absl::StatusOr<std::vector<absl::StatusOr<SampledToken>>> FinishSample();
};

[[nodiscard]] inline absl::StatusOr<MatrixView<const float>> ForwardLogits(
    StepModel& model, absl::Span<const SequenceSlice> slices) {
  RETURN_IF_ERROR(model.Forward(slices));
  return model.Logits();
}

}  // namespace sextant
