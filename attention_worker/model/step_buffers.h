// What one step of the transformer holds between its kernels. Memory grows to the largest step
// that was seen and is then reused.
//
// Shapes: T rows of the step; after KeepLogitRows, as many as logits are wanted.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "common/config/model_config.h"
#include "common/tensor/matrix_view.h"
#include "kernels/mla/mla_decode.h"

namespace sextant {

// Consecutive prompt positions of one sequence: consecutive rows of the step.
struct PromptRows {
  absl::Span<const std::int32_t> blocks;
  std::int64_t start = 0;  // position of the first row
  std::int64_t count = 0;
  std::int64_t num_logits = 0;  // of the last rows
};

struct StepBuffers {
  std::vector<std::int32_t> token_ids;    // [T]
  std::vector<std::int64_t> positions;    // [T]
  std::vector<std::int64_t> slots;        // [T] where each row's latent goes
  std::vector<MlaDecodeRow> decode_rows;  // the first rows of the step
  std::vector<PromptRows> prompts;        // the other rows
  std::vector<std::int32_t> logit_rows;   // rows whose logits are wanted, ascending

  MatrixView<float> cos, sin;           // [T, rope / 2]
  MatrixView<float> h;                  // [T, H] residual stream
  MatrixView<float> x;                  // [T, H] normed
  MatrixView<float> delta;              // [T, H] what is next added to h
  MatrixView<float> q_a;                // [T, q_lora_rank]
  MatrixView<float> q;                  // [T, N * (nope + rope)]
  MatrixView<float> kva;                // [T, R + rope]
  MatrixView<float> heads;              // [T, N * v]
  MatrixView<float> gate_logits;        // [T, E]
  MatrixView<float> expert_weights;     // [T, K]
  MatrixView<std::int32_t> expert_ids;  // [T, K]
  MatrixView<float> logits;             // [logit_rows, V]
  bool delta_pending = false;           // delta has not been added to h yet

  void Clear();

  // Makes every view for T = token_ids.size() rows.
  void Resize(const ModelConfig& config);

  // Forgets every row but logit_rows, of which h, x and the angles stay.
  void KeepLogitRows();

 private:
  std::vector<float> floats_;
  std::vector<std::int32_t> ids_;
};

}  // namespace sextant
