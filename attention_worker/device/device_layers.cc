#include "attention_worker/device/device_layers.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "attention_worker/model/rope_parameters.h"
#include "common/base/status.h"

namespace sextant {

DeviceLayers::DeviceLayers(const Parts& parts)
    : parts_(parts),
      attention_scale_(static_cast<float>(
          AttentionScale(parts.config.qk_head_dim(), RopeParametersOf(parts.config)))) {}

absl::Status DeviceLayers::Run(const StepShape& shape) {
  const StepInputs& inputs = parts_.layout.inputs;
  const StepActivations& a = parts_.layout.activations;
  constexpr std::int64_t kIdStride = sizeof(SampledTokenCuda) / sizeof(std::int32_t);
  const std::int32_t* ids =
      shape.sampled_ids ? &parts_.layout.sampling.results->id : inputs.token_ids;
  const std::int64_t id_stride = shape.sampled_ids ? kIdStride : 1;
  Rows rows{.count = shape.rows,
            .live = shape.rows_on_device ? inputs.live_rows : nullptr,
            .feed_forward_offsets = inputs.feed_forward_offsets,
            .h = a.h,
            .x = a.x};
  RETURN_IF_ERROR(ToStatus(
      parts_.kernels.embedding(parts_.stream.handle(), {.table = parts_.weights.embed_tokens,
                                                        .vocab_size = parts_.config.vocab_size,
                                                        .ids = ids,
                                                        .id_stride = id_stride,
                                                        .rows_out = rows.h,
                                                        .rows = rows.count,
                                                        .live_rows = rows.live,
                                                        .hidden = parts_.config.hidden_size}),
      "embedding"));
  if (shape.decode.size() == 1) RETURN_IF_ERROR(PlanPass(shape.decode.front(), shape));
  for (int layer = 0; layer < parts_.config.num_hidden_layers; ++layer) {
    const absl::Status status = RunLayer(layer, shape, rows);
    if (!status.ok()) return AddContext(status, absl::StrCat("layer ", layer));
  }
  if (rows.count == 0) return absl::OkStatus();
  RETURN_IF_ERROR(NormInto(parts_.weights.norm, rows));
  return ToStatus(
      parts_.kernels.linear(parts_.stream.handle(), {.x = rows.x,
                                                     .x_stride = parts_.config.hidden_size,
                                                     .weight = parts_.weights.lm_head,
                                                     .y = a.logits,
                                                     .y_stride = parts_.layout.padded_vocab,
                                                     .rows = rows.count,
                                                     .live_rows = rows.live,
                                                     .outputs = parts_.config.vocab_size,
                                                     .depth = parts_.config.hidden_size}),
      "lm_head");
}

absl::Status DeviceLayers::RunLayer(int index, const StepShape& shape, Rows& rows) {
  const DeviceLayerWeights& layer = parts_.weights.layers[static_cast<std::size_t>(index)];
  const StepActivations& a = parts_.layout.activations;
  const bool last_layer = index + 1 == parts_.config.num_hidden_layers;
  Bf16* cache = parts_.latents + index * parts_.layer_latents;
  RETURN_IF_ERROR(NormInto(layer.input_layernorm, rows));
  RETURN_IF_ERROR(ProjectInputs(layer, rows, cache));
  if (last_layer && shape.logit_rows == 0) {
    rows.count = 0;
    return absl::OkStatus();
  }
  if (!shape.decode.empty()) RETURN_IF_ERROR(Decode(layer, shape, cache));
  for (const PromptPass& prompt : shape.prompts) {
    RETURN_IF_ERROR(Prefill(layer, prompt, last_layer, cache));
  }
  if (last_layer && shape.logit_rows < shape.rows) RETURN_IF_ERROR(KeepLogitRows(shape, rows));
  RETURN_IF_ERROR(Multiply({.x = a.heads,
                            .depth = parts_.config.num_attention_heads * parts_.config.v_head_dim,
                            .weight = layer.o_proj,
                            .y = a.delta,
                            .outputs = parts_.config.hidden_size},
                           rows, rows.source));
  rows.delta_pending = true;
  RETURN_IF_ERROR(NormInto(layer.post_attention_layernorm, rows));
  if (layer.is_moe()) return RunExperts(layer, index, rows);
  rows.delta_pending = true;
  return FeedForward(layer, rows);
}

absl::Status DeviceLayers::ProjectInputs(const DeviceLayerWeights& layer, const Rows& rows,
                                         Bf16* cache) {
  const ModelConfig& config = parts_.config;
  const StepInputs& inputs = parts_.layout.inputs;
  const StepActivations& a = parts_.layout.activations;
  const std::int64_t hidden = config.hidden_size;
  if (config.q_lora_rank.has_value()) {
    const std::int64_t rank = *config.q_lora_rank;
    RETURN_IF_ERROR(Multiply({rows.x, hidden, layer.q_a_proj, a.q_a, rank}, rows));
    RETURN_IF_ERROR(
        ToStatus(parts_.kernels.rms_norm(parts_.stream.handle(), {.h = a.q_a,
                                                                  .h_stride = rank,
                                                                  .weight = layer.q_a_layernorm,
                                                                  .y = a.q_a,
                                                                  .y_stride = rank,
                                                                  .rows = rows.count,
                                                                  .cols = rank,
                                                                  .live_rows = rows.live,
                                                                  .eps = Eps()}),
                 "q_a_layernorm"));
    RETURN_IF_ERROR(Multiply({a.q_a, rank, layer.q_b_proj, a.q, QueryWidth()}, rows));
  } else {
    RETURN_IF_ERROR(Multiply({rows.x, hidden, layer.q_proj, a.q, QueryWidth()}, rows));
  }
  RETURN_IF_ERROR(Multiply({rows.x, hidden, layer.kv_a_proj, a.kva, config.cache_row_dim()}, rows));
  return ToStatus(
      parts_.kernels.write_latents(parts_.stream.handle(), {.q = a.q,
                                                            .q_stride = QueryWidth(),
                                                            .kva = a.kva,
                                                            .kva_stride = config.cache_row_dim(),
                                                            .norm_weight = layer.kv_a_layernorm,
                                                            .cos = parts_.weights.cos,
                                                            .sin = parts_.weights.sin,
                                                            .positions = inputs.positions,
                                                            .slots = inputs.slots,
                                                            .cache = cache,
                                                            .rows = rows.count,
                                                            .live_rows = rows.live,
                                                            .num_heads = config.num_attention_heads,
                                                            .nope = config.qk_nope_head_dim,
                                                            .rope = config.qk_rope_head_dim,
                                                            .rank = config.kv_lora_rank,
                                                            .eps = Eps()}),
      "the latents");
}

absl::Status DeviceLayers::KeepLogitRows(const StepShape& shape, Rows& rows) {
  const StepInputs& inputs = parts_.layout.inputs;
  RETURN_IF_ERROR(ToStatus(
      parts_.kernels.embedding(parts_.stream.handle(), {.table = rows.h,
                                                        .vocab_size = rows.count,
                                                        .ids = inputs.logit_rows,
                                                        .rows_out = rows.x,
                                                        .rows = shape.logit_rows,
                                                        .hidden = parts_.config.hidden_size}),
      "the rows whose logits are wanted"));
  std::swap(rows.h, rows.x);
  rows.count = shape.logit_rows;
  rows.feed_forward_offsets = inputs.logit_feed_forward_offsets;
  rows.source = inputs.logit_rows;
  return absl::OkStatus();
}

absl::Status DeviceLayers::Decode(const DeviceLayerWeights& layer, const StepShape& shape,
                                  const Bf16* cache) {
  if (shape.decode.size() == 1) return DecodeOne(layer, shape.decode.front(), shape, cache);
  for (const DecodePass& pass : shape.decode) {
    RETURN_IF_ERROR(PlanPass(pass, shape));
    RETURN_IF_ERROR(DecodeOne(layer, pass, shape, cache));
  }
  return absl::OkStatus();
}

absl::Status DeviceLayers::PlanPass(const DecodePass& pass, const StepShape& shape) {
  const StepInputs& inputs = parts_.layout.inputs;
  return ToStatus(
      parts_.kernels.plan_decode(parts_.stream.handle(),
                                 {.lengths = inputs.lengths + pass.first_row,
                                  .rows = static_cast<std::int32_t>(pass.rows),
                                  .live_rows = shape.rows_on_device ? inputs.live_rows : nullptr,
                                  .plan = parts_.layout.attention.plan}),
      "the splits of the contexts");
}

absl::Status DeviceLayers::DecodeOne(const DeviceLayerWeights& layer, const DecodePass& pass,
                                     const StepShape& shape, const Bf16* cache) {
  const ModelConfig& config = parts_.config;
  const StepInputs& inputs = parts_.layout.inputs;
  const StepAttention& attention = parts_.layout.attention;
  const auto heads = static_cast<std::int32_t>(config.num_attention_heads);
  const std::int64_t rank = config.kv_lora_rank;
  const std::int64_t nope = config.qk_nope_head_dim;
  const std::int64_t v = config.v_head_dim;
  const std::int32_t* live = shape.rows_on_device ? inputs.live_rows : nullptr;
  const Bf16* q = parts_.layout.activations.q + pass.first_row * QueryWidth();
  RETURN_IF_ERROR(ToStatus(parts_.kernels.head_product(parts_.stream.handle(),
                                                       {.x = q,
                                                        .x_row_stride = QueryWidth(),
                                                        .x_head_stride = config.qk_head_dim(),
                                                        .weight = layer.uk_transposed,
                                                        .weight_head_stride = rank * nope,
                                                        .y = attention.latent_q,
                                                        .y_row_stride = heads * rank,
                                                        .y_head_stride = rank,
                                                        .rows = pass.rows,
                                                        .live_rows = live,
                                                        .num_heads = heads,
                                                        .outputs = static_cast<std::int32_t>(rank),
                                                        .depth = static_cast<std::int32_t>(nope)}),
                           "the absorbed queries"));
  RETURN_IF_ERROR(
      ToStatus(parts_.kernels.mla_decode(
                   parts_.stream.handle(),
                   {.latent_q = attention.latent_q,
                    .q = q,
                    .q_stride = QueryWidth(),
                    .nope = static_cast<std::int32_t>(nope),
                    .cache = cache,
                    .block_table = inputs.block_tables + pass.first_table * parts_.sizes.max_blocks,
                    .block_table_stride = pass.one_table ? 0 : parts_.sizes.max_blocks,
                    .block_tokens = static_cast<std::int32_t>(parts_.block_tokens),
                    .lengths = inputs.lengths + pass.first_row,
                    .plan = attention.plan,
                    .rows = static_cast<std::int32_t>(pass.rows),
                    .live_rows = live,
                    .num_heads = heads,
                    .scale = attention_scale_,
                    .blocks = 2 * parts_.multiprocessors,
                    .partial = attention.partial,
                    .partial_state = attention.partial_state,
                    .u = attention.u}),
               "decode attention"));
  return ToStatus(parts_.kernels.head_product(
                      parts_.stream.handle(),
                      {.x = attention.u,
                       .x_row_stride = heads * 2 * rank,
                       .x_head_stride = 2 * rank,
                       .two_halves = true,
                       .weight = layer.uv,
                       .weight_head_stride = parts_.weights.uv_head_stride,
                       .y = parts_.layout.activations.heads + pass.first_row * heads * v,
                       .y_row_stride = heads * v,
                       .y_head_stride = v,
                       .rows = pass.rows,
                       .live_rows = live,
                       .num_heads = heads,
                       .outputs = static_cast<std::int32_t>(v),
                       .depth = static_cast<std::int32_t>(rank)}),
                  "the heads' outputs");
}

absl::Status DeviceLayers::Prefill(const DeviceLayerWeights& layer, const PromptPass& prompt,
                                   bool last_layer, const Bf16* cache) {
  const std::int64_t skipped = last_layer ? prompt.rows - prompt.num_logits : 0;
  if (skipped == prompt.rows) return absl::OkStatus();
  const StepActivations& a = parts_.layout.activations;
  const StepAttention& attention = parts_.layout.attention;
  const std::int64_t heads = parts_.config.num_attention_heads;
  const std::int64_t out_width = heads * parts_.config.v_head_dim;
  const std::int64_t first_row = prompt.first_row + skipped;
  return ToStatus(
      parts_.kernels.mla_prefill(parts_.stream.handle(),
                                 {.q = a.q + first_row * QueryWidth(),
                                  .q_stride = QueryWidth(),
                                  .kv_b = layer.kv_b_proj,
                                  .cache = cache,
                                  .block_table = parts_.layout.inputs.block_tables +
                                                 prompt.table * parts_.sizes.max_blocks,
                                  .block_tokens = static_cast<std::int32_t>(parts_.block_tokens),
                                  .start = static_cast<std::int32_t>(prompt.start + skipped),
                                  .rows = static_cast<std::int32_t>(prompt.rows - skipped),
                                  .num_heads = static_cast<std::int32_t>(heads),
                                  .scale = attention_scale_,
                                  .out = a.heads + first_row * out_width,
                                  .out_stride = out_width,
                                  .span_keys = static_cast<std::int32_t>(parts_.sizes.span_keys),
                                  .expanded = attention.expanded,
                                  .state = attention.prefill_state}),
      "prefill attention");
}

absl::Status DeviceLayers::RunExperts(const DeviceLayerWeights& layer, int index, Rows& rows) {
  const ModelConfig& config = parts_.config;
  const StepActivations& a = parts_.layout.activations;
  const std::int64_t experts = config.n_routed_experts;
  const auto chosen = static_cast<std::int32_t>(config.num_experts_per_tok);
  const bool grouped = config.topk_method == TopkMethod::kGroupLimitedGreedy;
  RETURN_IF_ERROR(
      ToStatus(parts_.kernels.linear(parts_.stream.handle(), {.x = rows.x,
                                                              .x_stride = config.hidden_size,
                                                              .weight = layer.gate,
                                                              .y_f32 = a.gate_logits,
                                                              .y_stride = experts,
                                                              .rows = rows.count,
                                                              .live_rows = rows.live,
                                                              .outputs = experts,
                                                              .depth = config.hidden_size}),
               "the gate"));
  RETURN_IF_ERROR(
      ToStatus(parts_.kernels.topk_softmax(
                   parts_.stream.handle(),
                   {.gate_logits = a.gate_logits,
                    .rows = rows.count,
                    .live_rows = rows.live,
                    .experts = static_cast<std::int32_t>(experts),
                    .chosen = chosen,
                    .groups = grouped ? static_cast<std::int32_t>(config.n_group) : 1,
                    .kept_groups = grouped ? static_cast<std::int32_t>(config.topk_group) : 1,
                    .normalise = config.norm_topk_prob,
                    .scale = static_cast<float>(config.routed_scaling_factor),
                    .weights = a.expert_weights,
                    .expert_ids = a.expert_ids}),
               "the choice of experts"));
  if (observer_ != nullptr) RETURN_IF_ERROR(Observe(index, rows));
  RETURN_IF_ERROR(parts_.exchange.Dispatch(parts_.stream.handle(), {.layer = index,
                                                                    .rows = rows.x,
                                                                    .expert_ids = a.expert_ids,
                                                                    .tokens = rows.count,
                                                                    .live_rows = rows.live}));
  if (layer.has_mlp()) RETURN_IF_ERROR(FeedForward(layer, rows));  // while the rows travel
  ASSIGN_OR_RETURN(const DeviceExpertOutputs outputs,
                   parts_.exchange.Collect(parts_.stream.handle()));
  return ToStatus(parts_.kernels.combine(parts_.stream.handle(),
                                         {.expert_out = outputs.rows,
                                          .places = outputs.places,
                                          .weights = a.expert_weights,
                                          .shared_out = layer.has_mlp() ? a.delta : nullptr,
                                          .residual = rows.h,
                                          .rows = rows.count,
                                          .live_rows = rows.live,
                                          .chosen = chosen,
                                          .hidden = config.hidden_size}),
                  "the sum of the experts");
}

absl::Status DeviceLayers::Observe(int index, const Rows& rows) {
  const StepActivations& a = parts_.layout.activations;
  const std::int64_t chosen = parts_.config.num_experts_per_tok;
  std::vector<std::int32_t> ids(static_cast<std::size_t>(rows.count * chosen));
  std::vector<float> weights(ids.size());
  const auto bytes = static_cast<std::int64_t>(ids.size() * sizeof(std::int32_t));
  GpuDriver& gpu = parts_.stream.gpu();
  RETURN_IF_ERROR(ToStatus(gpu.CopyOut(parts_.stream.handle(), ids.data(), a.expert_ids, bytes),
                           "the chosen experts"));
  RETURN_IF_ERROR(
      ToStatus(gpu.CopyOut(parts_.stream.handle(), weights.data(), a.expert_weights, bytes),
               "the chosen experts' weights"));
  RETURN_IF_ERROR(parts_.stream.Synchronize());
  observer_->OnRouting(index, {ids.data(), rows.count, chosen},
                       {weights.data(), rows.count, chosen});
  return absl::OkStatus();
}

absl::Status DeviceLayers::FeedForward(const DeviceLayerWeights& layer, const Rows& rows) {
  const StepActivations& a = parts_.layout.activations;
  return ToStatus(
      parts_.kernels.grouped_feed_forward(
          parts_.stream.handle(), {.x = rows.x,
                                   .offsets = rows.feed_forward_offsets,
                                   .experts = layer.mlp,
                                   .places = rows.count,
                                   .num_experts = 1,
                                   .hidden = static_cast<std::int32_t>(parts_.config.hidden_size),
                                   .width = static_cast<std::int32_t>(layer.mlp_width),
                                   .gated = a.gated,
                                   .y = a.delta}),
      "the feed-forward");
}

absl::Status DeviceLayers::NormInto(const Bf16* weight, Rows& rows) {
  const std::int64_t hidden = parts_.config.hidden_size;
  const bool pending = std::exchange(rows.delta_pending, false);
  return ToStatus(
      parts_.kernels.rms_norm(parts_.stream.handle(),
                              {.h = rows.h,
                               .h_stride = hidden,
                               .delta = pending ? parts_.layout.activations.delta : nullptr,
                               .delta_stride = pending ? hidden : 0,
                               .weight = weight,
                               .y = rows.x,
                               .y_stride = hidden,
                               .rows = rows.count,
                               .cols = hidden,
                               .live_rows = rows.live,
                               .eps = Eps()}),
      "a norm");
}

absl::Status DeviceLayers::Multiply(const Product& product, const Rows& rows,
                                    const std::int32_t* source) {
  return ToStatus(parts_.kernels.linear(parts_.stream.handle(), {.x = product.x,
                                                                 .x_stride = product.depth,
                                                                 .x_rows = source,
                                                                 .weight = product.weight,
                                                                 .y = product.y,
                                                                 .y_stride = product.outputs,
                                                                 .rows = rows.count,
                                                                 .live_rows = rows.live,
                                                                 .outputs = product.outputs,
                                                                 .depth = product.depth}),
                  "a projection");
}

}  // namespace sextant
