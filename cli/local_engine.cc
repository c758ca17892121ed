#include "cli/local_engine.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "common/device/backend.h"
#include "common/weights/model_tensors.h"

namespace sextant::cli {
namespace {

constexpr std::int64_t kBlockTokens = 64;   // 36 KiB of V2-Lite's latents per layer and block
constexpr std::int64_t kMaxSequences = 64;  // running at once; more wait

}  // namespace

absl::StatusOr<std::unique_ptr<LocalEngine>> LocalEngine::Open(const std::string& model_dir,
                                                               const EngineConfig& config) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(model_dir, ignored)) {
    return absl::NotFoundError(absl::StrCat(
        model_dir, ": is no folder; give that of a checkpoint, with config.json and the weights"));
  }
  ASSIGN_OR_RETURN(ModelConfig model, ReadModelConfig(model_dir));
  ASSIGN_OR_RETURN(Checkpoint checkpoint, Checkpoint::Open(model_dir));
  RETURN_IF_ERROR(CheckModelTensors(checkpoint, model));
  std::unique_ptr<LocalEngine> engine(
      new LocalEngine(std::move(model), config, std::move(checkpoint)));
  RETURN_IF_ERROR(engine->Load());
  return engine;
}

absl::Status LocalEngine::Load() {
  ASSIGN_OR_RETURN(const Backend backend, ChooseBackend());
  loader_ = std::make_unique<WeightLoader>(checkpoint_, config_.dtype);
  ASSIGN_OR_RETURN(weights_, AttentionWeights::Load(model_, *loader_));
  ASSIGN_OR_RETURN(ExpertStore experts, ExpertStore::Load(model_, AllExperts(model_), *loader_));
  experts_ = std::make_unique<ExpertStore>(std::move(experts));

  pool_ = std::make_unique<ThreadPool>(ThreadCount(config_.threads));
  stream_ = std::make_unique<Stream>(backend, *pool_);
  host_ = std::make_unique<StoredExperts>(*experts_, *stream_, config_.dtype);
  exchange_ =
      std::make_unique<LocalExchange>(*host_, static_cast<std::int32_t>(model_.n_routed_experts));
  const std::int64_t blocks = (config_.cache_tokens + kBlockTokens - 1) / kBlockTokens;
  ASSIGN_OR_RETURN(cache_,
                   LatentCache::Create({.num_layers = static_cast<int>(model_.num_hidden_layers),
                                        .width = model_.cache_row_dim(),
                                        .block_tokens = kBlockTokens,
                                        .num_blocks = static_cast<std::int32_t>(blocks),
                                        .dtype = StorageType(config_.dtype)}));
  ASSIGN_OR_RETURN(transformer_, Transformer::Create({.config = model_,
                                                      .weights = weights_,
                                                      .stream = *stream_,
                                                      .cache = *cache_,
                                                      .exchange = *exchange_,
                                                      .precision = config_.dtype}));
  return absl::OkStatus();
}

Engine LocalEngine::MakeEngine(std::vector<std::int32_t> banned_ids) {
  return Engine(*transformer_, *cache_,
                {.max_batch_tokens = config_.max_batch_tokens,
                 .max_sequences = kMaxSequences,
                 .max_context = model_.max_position_embeddings,
                 .vocab_size = model_.vocab_size,
                 .banned_ids = std::move(banned_ids)});
}

}  // namespace sextant::cli
