#include "attention_worker/model/transformer.h"

#include <algorithm>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"
#include "attention_worker/model/rope_parameters.h"
#include "attention_worker/model/step_buffers.h"
#include "common/base/check.h"
#include "common/base/status.h"
#include "kernels/embedding/embedding.h"
#include "kernels/feed_forward/grouped_feed_forward.h"
#include "kernels/linear/linear.h"
#include "kernels/mla/mla_decode.h"
#include "kernels/mla/mla_prefill.h"
#include "kernels/moe/combine.h"
#include "kernels/moe/topk_softmax.h"
#include "kernels/norm/rms_norm.h"
#include "kernels/rope/apply_rope.h"

namespace sextant {

absl::StatusOr<std::unique_ptr<Transformer>> Transformer::Create(const Parts& parts) {
  const RopeParameters rope = RopeParametersOf(parts.config);
  ASSIGN_OR_RETURN(RopeTable table, RopeTable::Create(rope));
  const double scale = AttentionScale(parts.config.qk_head_dim(), rope);
  return std::unique_ptr<Transformer>(
      new Transformer(parts, std::move(table), static_cast<float>(scale)));
}

Transformer::Transformer(const Parts& parts, RopeTable rope, float attention_scale)
    : parts_(parts),
      rope_(std::move(rope)),
      attention_scale_(attention_scale),
      buffers_(std::make_unique<StepBuffers>()) {}

Transformer::~Transformer() = default;

absl::Status Transformer::PlanStep(absl::Span<const SequenceSlice> slices) {
  StepBuffers& b = *buffers_;
  b.Clear();
  bool prompt_seen = false;
  for (const SequenceSlice& slice : slices) {
    CHECK(!(prompt_seen && slice.generated));
    prompt_seen = prompt_seen || !slice.generated;
    const auto length = static_cast<std::int64_t>(slice.token_ids.size());
    CHECK_LE(slice.num_logits, length);
    if (slice.start + length > parts_.config.max_position_embeddings) {
      return absl::InvalidArgumentError(absl::StrCat("position ", slice.start + length - 1,
                                                     " is beyond the model's ",
                                                     parts_.config.max_position_embeddings));
    }
    if (!slice.generated) {
      b.prompts.push_back({.blocks = slice.blocks->table(),
                           .start = slice.start,
                           .count = length,
                           .num_logits = slice.num_logits});
    }
    for (std::int64_t i = 0; i < length; ++i) {
      const std::int64_t position = slice.start + i;
      if (i >= length - slice.num_logits) {
        b.logit_rows.push_back(static_cast<std::int32_t>(b.positions.size()));
      }
      b.token_ids.push_back(slice.token_ids[static_cast<std::size_t>(i)]);
      b.positions.push_back(position);
      b.slots.push_back(slice.blocks->Slot(position));
      if (slice.generated) {
        b.decode_rows.push_back({.blocks = slice.blocks->table(), .length = position + 1});
      }
    }
  }
  b.Resize(parts_.config);
  rope_.Rows(b.positions, parts_.precision, b.cos, b.sin);
  return absl::OkStatus();
}

absl::Status Transformer::ProjectQuery(const AttentionLayerWeights& layer,
                                       const std::optional<LinearArgs>& beside) {
  StepBuffers& b = *buffers_;
  const Precision precision = parts_.precision;
  const bool low_rank = layer.low_rank_query.has_value();
  absl::InlinedVector<LinearArgs, 2> products = {
      {.x = b.x,
       .weight = low_rank ? layer.low_rank_query->q_a_proj : layer.q_proj,
       .y = low_rank ? b.q_a : b.q,
       .precision = precision}};
  if (beside.has_value()) products.push_back(*beside);
  RETURN_IF_ERROR(LinearGroup(parts_.stream, products));
  if (!low_rank) return absl::OkStatus();
  RETURN_IF_ERROR(RmsNorm(parts_.stream, {.x = b.q_a,
                                          .weight = layer.low_rank_query->q_a_layernorm,
                                          .eps = Eps(),
                                          .y = b.q_a,
                                          .precision = precision}));
  return Linear(
      parts_.stream,
      {.x = b.q_a, .weight = layer.low_rank_query->q_b_proj, .y = b.q, .precision = precision});
}

absl::Status Transformer::StoreLatents(const AttentionLayerWeights& layer,
                                       const LatentCacheView& cache) {
  StepBuffers& b = *buffers_;
  return WriteLatents(parts_.stream, {.kva = b.kva,
                                      .norm_weight = layer.kv_a_layernorm,
                                      .eps = Eps(),
                                      .cos = b.cos,
                                      .sin = b.sin,
                                      .slots = b.slots,
                                      .cache = cache,
                                      .precision = parts_.precision});
}

absl::Status Transformer::ProjectInputs(const AttentionLayerWeights& layer,
                                        const LatentCacheView& cache, bool last_layer) {
  StepBuffers& b = *buffers_;
  const LinearArgs kv_a{
      .x = b.x, .weight = layer.kv_a_proj, .y = b.kva, .precision = parts_.precision};
  if (!last_layer || b.logit_rows.size() == b.token_ids.size()) {
    RETURN_IF_ERROR(ProjectQuery(layer, kv_a));
    return StoreLatents(layer, cache);
  }
  // Later steps look at the latents of every row, and nothing at anything else of the others.
  RETURN_IF_ERROR(Linear(parts_.stream, kv_a));
  RETURN_IF_ERROR(StoreLatents(layer, cache));
  b.KeepLogitRows();
  return ProjectQuery(layer, std::nullopt);
}

absl::Status Transformer::Attend(const AttentionLayerWeights& layer, const LatentCacheView& cache) {
  StepBuffers& b = *buffers_;
  const ModelConfig& config = parts_.config;
  const MlaDims dims{.num_heads = config.num_attention_heads,
                     .nope = config.qk_nope_head_dim,
                     .rope = config.qk_rope_head_dim,
                     .v = config.v_head_dim,
                     .rank = config.kv_lora_rank};
  RETURN_IF_ERROR(ApplyRope(parts_.stream, {.x = b.q,
                                            .num_heads = dims.num_heads,
                                            .cos = b.cos,
                                            .sin = b.sin,
                                            .precision = parts_.precision}));
  const auto decoded = static_cast<std::int64_t>(b.decode_rows.size());
  if (decoded > 0) {
    RETURN_IF_ERROR(MlaDecode(parts_.stream, {.dims = dims,
                                              .q = b.q.Rows(0, decoded),
                                              .kv_b = layer.kv_b_proj,
                                              .cache = cache,
                                              .rows = b.decode_rows,
                                              .scale = attention_scale_,
                                              .out = b.heads.Rows(0, decoded),
                                              .precision = parts_.precision}));
  }
  std::int64_t row = decoded;
  for (const PromptRows& prompt : b.prompts) {
    RETURN_IF_ERROR(MlaPrefill(parts_.stream, {.dims = dims,
                                               .q = b.q.Rows(row, prompt.count),
                                               .kv_b = layer.kv_b_proj,
                                               .cache = cache,
                                               .blocks = prompt.blocks,
                                               .start = prompt.start,
                                               .scale = attention_scale_,
                                               .out = b.heads.Rows(row, prompt.count),
                                               .precision = parts_.precision}));
    row += prompt.count;
  }
  return absl::OkStatus();
}

absl::Status Transformer::RunExperts(const AttentionLayerWeights& layer, int index) {
  StepBuffers& b = *buffers_;
  const ModelConfig& config = parts_.config;
  // The gate is computed in f32 under either precision (DeepSeek's MoEGate).
  RETURN_IF_ERROR(
      Linear(parts_.stream,
             {.x = b.x, .weight = layer.gate, .y = b.gate_logits, .precision = Precision::kFp32}));
  const bool grouped = config.topk_method == TopkMethod::kGroupLimitedGreedy;
  RETURN_IF_ERROR(
      TopkSoftmax(parts_.stream, {.gate_logits = b.gate_logits,
                                  .groups = grouped ? config.n_group : 1,
                                  .kept_groups = grouped ? config.topk_group : 1,
                                  .normalise = config.norm_topk_prob,
                                  .scale = static_cast<float>(config.routed_scaling_factor),
                                  .weights = b.expert_weights,
                                  .expert_ids = b.expert_ids}));
  if (observer_ != nullptr) observer_->OnRouting(index, b.expert_ids, b.expert_weights);

  RETURN_IF_ERROR(
      parts_.exchange.Dispatch({.layer = index, .rows = b.x, .expert_ids = b.expert_ids}));
  MatrixView<const float> shared;
  if (layer.has_mlp()) {  // while the rows travel
    RETURN_IF_ERROR(FeedForward(layer.mlp));
    shared = b.delta;
  }
  ASSIGN_OR_RETURN(const ExpertOutputs outputs, parts_.exchange.Collect());
  return Combine(parts_.stream, {.expert_out = outputs.rows,
                                 .output_row = outputs.row_of,
                                 .weights = b.expert_weights,
                                 .shared_out = shared,
                                 .precision = parts_.precision,
                                 .residual = b.h});
}

absl::Status Transformer::FeedForward(const FeedForwardWeights& weights) {
  const ExpertRows all_rows{.weights = weights, .rows = std::nullopt};
  return GroupedFeedForward(parts_.stream, {.x = buffers_->x,
                                            .experts = {&all_rows, 1},
                                            .y = buffers_->delta,
                                            .precision = parts_.precision});
}

absl::Status Transformer::RunLayer(int index) {
  StepBuffers& b = *buffers_;
  const AttentionLayerWeights& layer = parts_.weights.layers[static_cast<std::size_t>(index)];
  const LatentCacheView cache = parts_.cache.Layer(index);
  RETURN_IF_ERROR(NormInto(layer.input_layernorm));
  RETURN_IF_ERROR(
      ProjectInputs(layer, cache, /*last_layer=*/index + 1 == parts_.config.num_hidden_layers));
  RETURN_IF_ERROR(Attend(layer, cache));
  RETURN_IF_ERROR(
      Linear(parts_.stream,
             {.x = b.heads, .weight = layer.o_proj, .y = b.delta, .precision = parts_.precision}));
  b.delta_pending = true;
  RETURN_IF_ERROR(NormInto(layer.post_attention_layernorm));
  if (layer.is_moe()) return RunExperts(layer, index);
  b.delta_pending = true;
  return FeedForward(layer.mlp);
}

absl::Status Transformer::NormInto(const WeightView& weight) {
  StepBuffers& b = *buffers_;
  const Precision precision = parts_.precision;
  if (!std::exchange(b.delta_pending, false)) {
    return RmsNorm(parts_.stream,
                   {.x = b.h, .weight = weight, .eps = Eps(), .y = b.x, .precision = precision});
  }
  return AddRmsNorm(parts_.stream, {.h = b.h,
                                    .delta = b.delta,
                                    .weight = weight,
                                    .eps = Eps(),
                                    .y = b.x,
                                    .precision = precision});
}

absl::Status Transformer::Forward(absl::Span<const SequenceSlice> slices) {
  RETURN_IF_ERROR(PlanStep(slices));
  StepBuffers& b = *buffers_;
  RETURN_IF_ERROR(Embedding(parts_.stream, {.table = parts_.weights.embed_tokens,
                                            .ids = b.token_ids,
                                            .precision = parts_.precision,
                                            .rows = b.h}));
  for (int layer = 0; layer < parts_.config.num_hidden_layers; ++layer) {
    absl::Status status = RunLayer(layer);
    if (!status.ok()) return AddContext(status, absl::StrCat("layer ", layer));
  }
  RETURN_IF_ERROR(NormInto(parts_.weights.norm));
  return Linear(
      parts_.stream,
      {.x = b.x, .weight = parts_.weights.lm_head, .y = b.logits, .precision = parts_.precision});
}

absl::StatusOr<MatrixView<const float>> Transformer::Logits() {
  return MatrixView<const float>(buffers_->logits);
}

absl::Status Transformer::Sample(const SampleStep& step) {
  return sextant::Sample(
      parts_.stream,
      {.logits = buffers_->logits.Rows(step.first_row, static_cast<std::int64_t>(step.rows.size())),
       .rows = step.rows,
       .banned_ids = step.banned_ids,
       .results = step.results});
}

}  // namespace sextant
