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
#include "tests/support/fed_sequence.h"

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
  operator FedModel() { return {*transformer_, *cache_}; }

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

}  // namespace sextant
