// The attention half's weights on a GPU, in bf16, and the rotary tables: one stretch of memory.
//
// Shapes:    every matrix is [outputs, inputs] as in the checkpoint, packed. H hidden, N heads, R
//            latent rank, V vocabulary, P positions, E routed experts; nope, rope and v are the
//            widths of a head.
// Memory:    every matrix begins at a multiple of 256 bytes. UK is there twice: in kv_b as it was
//            published, which prefill expands, and transposed, which decode absorbs.
// Ownership: owns the device's memory; everything it names lives as long as it does.
// Threads:   one fills it; then immutable, and any thread may read the struct.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "attention_worker/model/attention_weights.h"
#include "common/config/model_config.h"
#include "common/device/gpu.h"
#include "common/tensor/float_types.h"
#include "common/weights/device_upload.h"
#include "kernels/cuda_module/cuda_kernels.h"

namespace sextant {

// Pointers are to device memory, but for the struct itself.
struct DeviceLayerWeights {
  Bf16* input_layernorm;           // [H]
  Bf16* q_proj;                    // [N * (nope + rope), H]; null with a low-rank query, and then
  Bf16* q_a_proj;                  // [q_lora_rank, H]
  Bf16* q_a_layernorm;             // [q_lora_rank]
  Bf16* q_b_proj;                  // [N * (nope + rope), q_lora_rank]
  Bf16* kv_a_proj;                 // [R + rope, H]
  Bf16* kv_a_layernorm;            // [R]
  Bf16* kv_b_proj;                 // [N * (nope + v), R]
  Bf16* uk_transposed;             // [N, R, nope]: UK_h^T, R * nope values from head to head
  Bf16* uv;                        // UV_0 in kv_b_proj, [v, R]; uv_head_stride from head to head
  Bf16* o_proj;                    // [H, N * v]
  Bf16* post_attention_layernorm;  // [H]
  Bf16* gate;                      // [E, H]; null in a dense layer
  // The dense MLP, or the shared experts as one: the only expert of GroupedFeedForwardCuda. Null
  // where a MoE layer has none.
  ExpertWeightsCuda* mlp;  // [1]
  Bf16* mlp_gate;          // [mlp_width, H]
  Bf16* mlp_up;            // [mlp_width, H]
  Bf16* mlp_down;          // [H, mlp_width]
  std::int64_t mlp_width;  // 0 where there is none

  [[nodiscard]] bool is_moe() const { return gate != nullptr; }
  [[nodiscard]] bool has_mlp() const { return mlp_width > 0; }
};

// What the memory plan lists.
struct DeviceWeightBytes {
  std::int64_t embedding = 0;
  std::int64_t attention = 0;
  std::int64_t dense = 0;
  std::int64_t shared_experts = 0;
  std::int64_t head = 0;             // 0 where the embedding is the head
  std::int64_t norms_and_gates = 0;  // and rotary tables

  [[nodiscard]] std::int64_t total() const {
    return embedding + attention + dense + shared_experts + head + norms_and_gates;
  }
};

struct DeviceWeights {
  GpuMemory memory;
  Bf16* embed_tokens = nullptr;     // [V, H]
  Bf16* norm = nullptr;             // [H]
  Bf16* lm_head = nullptr;          // [V, H]; the embedding where they are tied
  Bf16* cos = nullptr;              // [P, rope / 2] of all positions of the model
  Bf16* sin = nullptr;              // [P, rope / 2]
  std::int64_t uv_head_stride = 0;  // (nope + v) * R
  std::vector<DeviceLayerWeights> layers;

  [[nodiscard]] static DeviceWeightBytes Bytes(const ModelConfig& config);

  // Room for the weights of `config`, with nothing in it.
  // Errors: ResourceExhausted when the device has less.
  [[nodiscard]] static absl::StatusOr<DeviceWeights> Allocate(GpuDriver& gpu,
                                                              const ModelConfig& config);

  // Each of these has happened once upload.Finish() has returned. Errors: those of the upload;
  // InvalidArgument for weights that are not bf16.
  [[nodiscard]] absl::Status Upload(const ModelConfig& config, const AttentionWeights& weights,
                                    DeviceUpload& upload);

  // Random matrices of deviation 1 / sqrt(inputs), norms of 1; `seed` and the config alone decide.
  [[nodiscard]] absl::Status FillRandom(const ModelConfig& config, GpuDriver& gpu,
                                        const CudaKernels& kernels, std::uint64_t seed,
                                        DeviceUpload& upload);
};

}  // namespace sextant
