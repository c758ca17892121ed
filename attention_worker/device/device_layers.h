// The attention half of a step on a GPU: puts the kernels of every layer on the stream, for rows
// that are already described in device memory (StepInputs).
//
// The mathematics and its order are those of the CPU's Transformer under kBf16 (attention_worker/
// model/transformer.h); activations are bf16 at the same rounding points. In the last layer only
// rows whose logits are wanted go beyond their latent.
//
// Nothing waits for the GPU and nothing is read back, so a plain decode step may be captured.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "attention_worker/device/device_weights.h"
#include "attention_worker/device/step_layout.h"
#include "attention_worker/device/step_rows.h"
#include "common/config/model_config.h"
#include "common/device/gpu.h"
#include "common/exchange/device_exchange.h"
#include "kernels/cuda_module/cuda_kernels.h"

namespace sextant {

// How a step is put on the stream. The pointers in StepInputs say the rest.
struct StepShape {
  std::int64_t rows = 0;        // T, or at most so many where only the device knows
  std::int64_t logit_rows = 0;  // L, likewise
  bool rows_on_device = false;  // live_rows and live_logit_rows say how many of them there are
  bool sampled_ids = false;     // token ids are the sampler's results, row by row, not StepInputs'
  absl::Span<const DecodePass> decode;
  absl::Span<const PromptPass> prompts;
};

class DeviceLayers {
 public:
  struct Parts {
    const ModelConfig& config;
    const CudaKernels& kernels;
    const DeviceWeights& weights;
    DeviceExchange& exchange;
    const StepLayout& layout;
    StepSizes sizes;
    const GpuStream& stream;
    Bf16* latents = nullptr;         // [layers, slots, R + rope]: the latent cache
    std::int64_t layer_latents = 0;  // values of one layer of it
    std::int64_t block_tokens = 0;
    int multiprocessors = 1;
  };

  // What `parts` names outlives this.
  explicit DeviceLayers(const Parts& parts);

  // From token ids to logits.
  [[nodiscard]] absl::Status Run(const StepShape& shape);

  // Called for every MoE layer of every step until it is set to null; waits for the GPU each time,
  // so that a step with an observer cannot be captured.
  void set_routing_observer(RoutingObserver* observer) { observer_ = observer; }
  [[nodiscard]] bool is_observed() const { return observer_ != nullptr; }

 private:
  // Where the step's rows are now: in the last layer they are fewer, and h and x change places.
  struct Rows {
    std::int64_t count = 0;
    const std::int32_t* live = nullptr;  // of them; null: all
    const std::int32_t* feed_forward_offsets = nullptr;
    const std::int32_t* source = nullptr;  // of row i in q and heads; null: i
    Bf16* h = nullptr;
    Bf16* x = nullptr;
    bool delta_pending = false;  // delta has not been added to h yet
  };

  [[nodiscard]] absl::Status RunLayer(int index, const StepShape& shape, Rows& rows);
  [[nodiscard]] absl::Status ProjectInputs(const DeviceLayerWeights& layer, const Rows& rows,
                                           Bf16* cache);
  [[nodiscard]] absl::Status KeepLogitRows(const StepShape& shape, Rows& rows);
  [[nodiscard]] absl::Status Decode(const DeviceLayerWeights& layer, const StepShape& shape,
                                    const Bf16* cache);
  [[nodiscard]] absl::Status PlanPass(const DecodePass& pass, const StepShape& shape);
  [[nodiscard]] absl::Status DecodeOne(const DeviceLayerWeights& layer, const DecodePass& pass,
                                       const StepShape& shape, const Bf16* cache);
  [[nodiscard]] absl::Status Prefill(const DeviceLayerWeights& layer, const PromptPass& prompt,
                                     bool last_layer, const Bf16* cache);
  [[nodiscard]] absl::Status RunExperts(const DeviceLayerWeights& layer, int index, Rows& rows);
  [[nodiscard]] absl::Status Observe(int index, const Rows& rows);
  [[nodiscard]] absl::Status FeedForward(const DeviceLayerWeights& layer, const Rows& rows);
  [[nodiscard]] absl::Status NormInto(const Bf16* weight, Rows& rows);  // h (+ delta) -> x
  struct Product {
    const Bf16* x = nullptr;
    std::int64_t depth = 0;
    const Bf16* weight = nullptr;
    Bf16* y = nullptr;
    std::int64_t outputs = 0;
  };
  [[nodiscard]] absl::Status Multiply(const Product& product, const Rows& rows,
                                      const std::int32_t* source = nullptr);

  [[nodiscard]] float Eps() const { return static_cast<float>(parts_.config.rms_norm_eps); }
  [[nodiscard]] std::int64_t QueryWidth() const {
    return parts_.config.num_attention_heads * parts_.config.qk_head_dim();
  }

  Parts parts_;
  float attention_scale_;
  RoutingObserver* observer_ = nullptr;
};

}  // namespace sextant
