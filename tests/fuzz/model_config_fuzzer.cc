// Any bytes as config.json and as generation_config.json: reading never crashes, and the sizes of
// an accepted config can be multiplied.
#include <cstddef>
#include <cstdint>

#include "common/base/check.h"
#include "common/config/generation_config.h"
#include "common/config/model_config.h"
#include "common/sampling_params/sampling_params.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  sextant::ModelConfig model;
  model.vocab_size = 1000;
  if (const auto parsed = sextant::ParseModelConfig(text, "fuzz"); parsed.ok()) {
    model = *parsed;
    CHECK_GE(model.n_routed_experts, model.num_experts_per_tok);
    CHECK_EQ(model.qk_rope_head_dim % 2, 0);
    CHECK_GT(model.num_attention_heads * model.qk_head_dim() * model.hidden_size, 0);
    CHECK_GT(model.vocab_size * model.hidden_size, 0);
    CHECK_GE(model.shared_intermediate_size() * model.hidden_size, 0);
    for (const std::int64_t id : model.eos_token_ids) CHECK_LT(id, model.vocab_size);
  }
  if (const auto generation = sextant::ParseGenerationConfig(text, "fuzz", model);
      generation.ok()) {
    CHECK(sextant::Validate(generation->sampling, model.vocab_size).ok());
  }
  return 0;
}
