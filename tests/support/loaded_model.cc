#include "tests/support/loaded_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "common/base/status.h"

namespace sextant {

std::unique_ptr<LoadedModel> LoadedModel::Open(const std::string& folder,
                                               const LoadedModelOptions& options) {
  auto config = ReadModelConfig(folder);
  auto checkpoint = Checkpoint::Open(folder);
  if (!config.ok() || !checkpoint.ok()) {
    ADD_FAILURE() << folder << ": " << config.status() << ", " << checkpoint.status();
    return nullptr;
  }
  std::unique_ptr<LoadedModel> model(new LoadedModel(*std::move(config), *std::move(checkpoint)));
  const absl::Status status = model->Load(options);
  EXPECT_TRUE(status.ok()) << folder << ": " << status;
  return status.ok() ? std::move(model) : nullptr;
}

absl::Status LoadedModel::Load(const LoadedModelOptions& options) {
  loader_ = std::make_unique<WeightLoader>(checkpoint_, options.precision);
  ASSIGN_OR_RETURN(weights_, AttentionWeights::Load(config_, *loader_));
  ASSIGN_OR_RETURN(ExpertStore experts, ExpertStore::Load(config_, AllExperts(config_), *loader_));
  experts_ = std::make_unique<ExpertStore>(std::move(experts));
  pool_ = std::make_unique<ThreadPool>(options.threads);
  stream_ = std::make_unique<Stream>(options.backend, *pool_);
  host_ = std::make_unique<StoredExperts>(*experts_, *stream_, options.precision);
  exchange_ =
      std::make_unique<LocalExchange>(*host_, static_cast<std::int32_t>(config_.n_routed_experts));
  ASSIGN_OR_RETURN(cache_,
                   LatentCache::Create({.num_layers = static_cast<int>(config_.num_hidden_layers),
                                        .width = config_.cache_row_dim(),
                                        .block_tokens = options.block_tokens,
                                        .num_blocks = options.num_blocks,
                                        .dtype = StorageType(options.precision)}));
  ASSIGN_OR_RETURN(transformer_, Transformer::Create({.config = config_,
                                                      .weights = weights_,
                                                      .stream = *stream_,
                                                      .cache = *cache_,
                                                      .exchange = *exchange_,
                                                      .precision = options.precision}));
  return absl::OkStatus();
}

}  // namespace sextant
