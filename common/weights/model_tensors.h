// Every tensor that a checkpoint of a given config consists of, under its published name.
//
// Names and shapes: DeepSeek-V2's modeling_deepseek.py, as Hugging Face checkpoints store them.
// Matrices are [outputs, inputs].
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/config/model_config.h"
#include "common/weights/checkpoint.h"

namespace sextant {

enum class TensorRole : std::uint8_t {
  kNorm,        // [width]
  kEmbedding,   // model.embed_tokens: [vocabulary, hidden]
  kHead,        // lm_head: [vocabulary, hidden]; none with tie_word_embeddings
  kRouter,      // mlp.gate: [experts, hidden]
  kProjection,  // any other matrix
  kResidual,    // a matrix whose result is added to the residual: o_proj, down_proj
};

struct ModelTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  TensorRole role = TensorRole::kProjection;
};

// In the order in which a forward pass needs them: embedding, layers, last norm, head.
[[nodiscard]] std::vector<ModelTensor> ListModelTensors(const ModelConfig& config);

// Whether config and checkpoint describe the same model.
//
// Errors: those of Checkpoint::Find for the first tensor that is missing or has another shape;
//         InvalidArgument for one that the config has no place for, such as a further layer
//         (rotary_emb.inv_freq of old files is ignored: frequencies are computed).
[[nodiscard]] absl::Status CheckModelTensors(const Checkpoint& checkpoint,
                                             const ModelConfig& config);

}  // namespace sextant
