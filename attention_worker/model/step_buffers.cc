#include "attention_worker/model/step_buffers.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace sextant {
namespace {

void MoveRows(MatrixView<float> matrix, absl::Span<const std::int32_t> rows) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto to = static_cast<std::int64_t>(i);
    if (rows[i] == to) continue;
    std::memcpy(matrix.Row(to), matrix.Row(rows[i]),
                static_cast<std::size_t>(matrix.cols) * sizeof(float));
  }
}

}  // namespace

void StepBuffers::Clear() {
  token_ids.clear();
  positions.clear();
  slots.clear();
  decode_rows.clear();
  prompts.clear();
  logit_rows.clear();
  delta_pending = false;
}

void StepBuffers::Resize(const ModelConfig& config) {
  const auto rows = static_cast<std::int64_t>(token_ids.size());
  const auto logit_count = static_cast<std::int64_t>(logit_rows.size());
  const std::int64_t heads_count = config.num_attention_heads;
  struct Wanted {
    MatrixView<float>* view;
    std::int64_t rows;
    std::int64_t cols;
  };
  const Wanted wanted[] = {
      {&cos, rows, config.qk_rope_head_dim / 2},
      {&sin, rows, config.qk_rope_head_dim / 2},
      {&h, rows, config.hidden_size},
      {&x, rows, config.hidden_size},
      {&delta, rows, config.hidden_size},
      {&q_a, rows, config.q_lora_rank.value_or(0)},
      {&q, rows, heads_count * config.qk_head_dim()},
      {&kva, rows, config.cache_row_dim()},
      {&heads, rows, heads_count * config.v_head_dim},
      {&gate_logits, rows, config.n_routed_experts},
      {&expert_weights, rows, config.num_experts_per_tok},
      {&logits, logit_count, config.vocab_size},
  };
  std::int64_t total = 0;
  for (const Wanted& item : wanted) total += item.rows * item.cols;
  if (static_cast<std::size_t>(total) > floats_.size()) {
    floats_.resize(static_cast<std::size_t>(total));
  }
  float* next = floats_.data();
  for (const Wanted& item : wanted) {
    *item.view = {next, item.rows, item.cols};
    next += item.rows * item.cols;
  }
  const std::int64_t choices = rows * config.num_experts_per_tok;
  if (static_cast<std::size_t>(choices) > ids_.size()) {
    ids_.resize(static_cast<std::size_t>(choices));
  }
  expert_ids = {ids_.data(), rows, config.num_experts_per_tok};
}

void StepBuffers::KeepLogitRows() {
  for (MatrixView<float>* moved : {&cos, &sin, &h, &x}) MoveRows(*moved, logit_rows);
  const auto kept = static_cast<std::int64_t>(logit_rows.size());
  for (MatrixView<float>* view :
       {&cos, &sin, &h, &x, &delta, &q_a, &q, &kva, &heads, &gate_logits, &expert_weights}) {
    view->rows = kept;
  }
  expert_ids.rows = kept;

  std::vector<MlaDecodeRow> kept_decode_rows;
  for (const std::int32_t row : logit_rows) {
    if (static_cast<std::size_t>(row) >= decode_rows.size()) break;
    kept_decode_rows.push_back(decode_rows[static_cast<std::size_t>(row)]);
  }
  decode_rows = std::move(kept_decode_rows);
  for (PromptRows& prompt : prompts) {
    prompt.start += prompt.count - prompt.num_logits;
    prompt.count = prompt.num_logits;
  }
}

}  // namespace sextant
