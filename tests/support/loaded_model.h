// A whole model in a test: both halves meeting at the local exchange, on a backend, a number of
// threads and a cache of the test's choice.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "attention_worker/cache/latent_cache.h"
#include "attention_worker/model/attention_weights.h"
#include "attention_worker/model/transformer.h"
#include "common/config/model_config.h"
#include "common/device/backend.h"
#include "common/device/stream.h"
#include "common/exchange/local_exchange.h"
#include "common/tensor/precision.h"
#include "common/weights/checkpoint.h"
#include "common/weights/weight_loader.h"
#include "expert_worker/compute/stored_experts.h"
#include "expert_worker/store/expert_store.h"

namespace sextant {

struct LoadedModelOptions {
  Backend backend = Backend::kReference;
  int threads = 1;
  Precision precision = Precision::kBf16;
  std::int64_t block_tokens = 16;
  std::int32_t num_blocks = 64;
};

class LoadedModel {
 public:
  // Fails the test and gives null when the folder cannot be loaded.
  [[nodiscard]] static std::unique_ptr<LoadedModel> Open(const std::string& folder,
                                                         const LoadedModelOptions& options);

  [[nodiscard]] const ModelConfig& config() const { return config_; }
  [[nodiscard]] Stream& stream() { return *stream_; }
  [[nodiscard]] LatentCache& cache() { return *cache_; }
  [[nodiscard]] Transformer& transformer() { return *transformer_; }

 private:
  LoadedModel(ModelConfig config, Checkpoint checkpoint)
      : config_(std::move(config)), checkpoint_(std::move(checkpoint)) {}
  absl::Status Load(const LoadedModelOptions& options);

  ModelConfig config_;
  Checkpoint checkpoint_;
  std::unique_ptr<WeightLoader> loader_;
  AttentionWeights weights_;
  std::unique_ptr<ExpertStore> experts_;
  std::unique_ptr<ThreadPool> pool_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<StoredExperts> host_;
  std::unique_ptr<LocalExchange> exchange_;
  std::unique_ptr<LatentCache> cache_;
  std::unique_ptr<Transformer> transformer_;
};

// The ids of one sequence and how they are fed: the first `prompt` of them as a prompt, the rest
// as generated tokens.
class FedSequence {
 public:
  FedSequence(LoadedModel& model, std::vector<std::int32_t> ids, std::int64_t prompt)
      : ids_(std::move(ids)), prompt_(prompt), blocks_(model.cache()) {}

  [[nodiscard]] std::int64_t length() const { return static_cast<std::int64_t>(ids_.size()); }
  [[nodiscard]] std::int64_t fed() const { return fed_; }
  [[nodiscard]] bool done() const { return fed_ == length(); }
  [[nodiscard]] bool generating() const { return fed_ >= prompt_; }
  [[nodiscard]] SequenceBlocks& blocks() { return blocks_; }

  // The next up to `rows` positions of one path, with all their logits.
  [[nodiscard]] SequenceSlice Next(std::int64_t rows);

 private:
  std::vector<std::int32_t> ids_;
  std::int64_t prompt_;
  std::int64_t fed_ = 0;
  SequenceBlocks blocks_;
};

// The logits of all positions, [T * V]: prompt positions in chunks of `prompt_chunk`, generated
// ones `generated_chunk` rows at once. Fails the test on an error.
[[nodiscard]] std::vector<float> FeedAlone(LoadedModel& model, std::vector<std::int32_t> ids,
                                           std::int64_t prompt, std::int64_t prompt_chunk,
                                           std::int64_t generated_chunk);

}  // namespace sextant
