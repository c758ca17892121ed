// The attention half of one step: embeddings, MLA layers, dense and shared feed-forwards, gate,
// and the logits. Routed experts are reached through the exchange alone.
//
// A step is any mix of slices: generated positions take the absorbed (decode) path, prompt
// positions the expanded (prefill) path, always, also when a sequence is recomputed. Under the
// determinism rule (DESIGN.md) the bits of a position's logits depend on its own sequence, the
// backend and the precision; not on the other slices, the chunking or the number of threads.
//
// Shapes: T rows of all slices of the step, H hidden, V vocabulary.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "attention_worker/cache/latent_cache.h"
#include "attention_worker/model/attention_weights.h"
#include "attention_worker/model/step_model.h"
#include "common/config/model_config.h"
#include "common/device/stream.h"
#include "common/exchange/exchange.h"
#include "common/tensor/precision.h"
#include "kernels/linear/linear.h"
#include "kernels/rope/yarn.h"

namespace sextant {

struct StepBuffers;

class Transformer final : public StepModel {
 public:
  struct Parts {
    const ModelConfig& config;
    const AttentionWeights& weights;
    Stream& stream;
    LatentCache& cache;
    Exchange& exchange;
    Precision precision;
  };

  // Everything in `parts` outlives the transformer.
  // Errors: InvalidArgument for rotary parameters out of range.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Transformer>> Create(const Parts& parts);
  ~Transformer() override;
  Transformer(const Transformer&) = delete;
  Transformer& operator=(const Transformer&) = delete;

  // Errors: InvalidArgument for an id outside the vocabulary or a position beyond the model's,
  // and what the exchange returns.
  [[nodiscard]] absl::Status Forward(absl::Span<const SequenceSlice> slices) override;
  [[nodiscard]] absl::StatusOr<MatrixView<const float>> Logits() override;
  [[nodiscard]] absl::Status Sample(const SampleStep& step) override;

  // Called for every MoE layer of every step until it is set to null.
  void set_routing_observer(RoutingObserver* observer) { observer_ = observer; }

 private:
  Transformer(const Parts& parts, RopeTable rope, float attention_scale);

  // The phases of a step, in order; what they hand on lies in buffers_.
  absl::Status PlanStep(absl::Span<const SequenceSlice> slices);
  absl::Status RunLayer(int index);
  // x -> q and, in the same parallel region, the product that is given with it.
  absl::Status ProjectQuery(const AttentionLayerWeights& layer,
                            const std::optional<LinearArgs>& beside);
  // x -> q, and kva -> the cache. The last layer goes on with the rows whose logits are wanted.
  absl::Status ProjectInputs(const AttentionLayerWeights& layer, const LatentCacheView& cache,
                             bool last_layer);
  absl::Status StoreLatents(const AttentionLayerWeights& layer, const LatentCacheView& cache);
  absl::Status Attend(const AttentionLayerWeights& layer, const LatentCacheView& cache);
  absl::Status RunExperts(const AttentionLayerWeights& layer, int index);
  absl::Status FeedForward(const FeedForwardWeights& weights);  // x -> delta
  absl::Status NormInto(const WeightView& weight);              // h (+ delta) -> x

  [[nodiscard]] float Eps() const { return static_cast<float>(parts_.config.rms_norm_eps); }

  Parts parts_;
  RopeTable rope_;
  float attention_scale_;
  std::unique_ptr<StepBuffers> buffers_;
  RoutingObserver* observer_ = nullptr;
};

}  // namespace sextant
