// A whole model in this process: both halves of every layer, meeting at the local exchange.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "attention_worker/cache/latent_cache.h"
#include "attention_worker/engine/engine.h"
#include "attention_worker/model/attention_weights.h"
#include "attention_worker/model/transformer.h"
#include "common/config/engine_config.h"
#include "common/config/model_config.h"
#include "common/device/stream.h"
#include "common/exchange/local_exchange.h"
#include "common/weights/checkpoint.h"
#include "common/weights/weight_loader.h"
#include "expert_worker/compute/stored_experts.h"
#include "expert_worker/store/expert_store.h"

namespace sextant::cli {

class LocalEngine {
 public:
  // Maps the checkpoint in `model_dir` and readies a transformer; no weight is read yet.
  // Errors: those of the configuration, the checkpoint and the backend, naming the file.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<LocalEngine>> Open(
      const std::string& model_dir, const EngineConfig& config);

  [[nodiscard]] const ModelConfig& model() const { return model_; }
  [[nodiscard]] const EngineConfig& config() const { return config_; }
  [[nodiscard]] Precision precision() const { return config_.dtype; }
  [[nodiscard]] const WeightLoader& loader() const { return *loader_; }
  [[nodiscard]] const AttentionWeights& weights() const { return weights_; }
  [[nodiscard]] Stream& stream() { return *stream_; }
  [[nodiscard]] LatentCache& cache() { return *cache_; }
  [[nodiscard]] Transformer& transformer() { return *transformer_; }

  // An engine that samples; ids in `banned_ids` (ascending) never come out.
  [[nodiscard]] Engine MakeEngine(std::vector<std::int32_t> banned_ids);

 private:
  LocalEngine(ModelConfig model, EngineConfig config, Checkpoint checkpoint)
      : model_(std::move(model)), config_(config), checkpoint_(std::move(checkpoint)) {}
  absl::Status Load();

  ModelConfig model_;
  EngineConfig config_;
  Checkpoint checkpoint_;
  std::unique_ptr<WeightLoader> loader_;
  AttentionWeights weights_;
  std::unique_ptr<ThreadPool> pool_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<ExpertStore> experts_;
  std::unique_ptr<StoredExperts> host_;
  std::unique_ptr<LocalExchange> exchange_;
  std::unique_ptr<LatentCache> cache_;
  std::unique_ptr<Transformer> transformer_;
};

}  // namespace sextant::cli
