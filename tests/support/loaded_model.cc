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

SequenceSlice FedSequence::Next(std::int64_t rows) {
  const bool generated = generating();
  const std::int64_t end = std::min(fed_ + rows, generated ? length() : prompt_);
  const absl::Status status = blocks_.PrepareWrite(fed_, end);
  EXPECT_TRUE(status.ok()) << status;
  const SequenceSlice slice{
      .token_ids = absl::MakeConstSpan(ids_).subspan(static_cast<std::size_t>(fed_),
                                                     static_cast<std::size_t>(end - fed_)),
      .start = fed_,
      .generated = generated,
      .blocks = &blocks_,
      .num_logits = end - fed_};
  fed_ = end;
  return slice;
}

std::vector<float> FeedAlone(LoadedModel& model, std::vector<std::int32_t> ids, std::int64_t prompt,
                             std::int64_t prompt_chunk, std::int64_t generated_chunk) {
  FedSequence sequence(model, std::move(ids), prompt);
  std::vector<float> all;
  while (!sequence.done()) {
    const SequenceSlice slice =
        sequence.Next(sequence.generating() ? generated_chunk : prompt_chunk);
    const auto logits = ForwardLogits(model.transformer(), {slice});
    EXPECT_TRUE(logits.ok()) << logits.status();
    if (!logits.ok()) break;
    all.insert(all.end(), logits->data, logits->data + logits->rows * logits->cols);
  }
  return all;
}

}  // namespace sextant
