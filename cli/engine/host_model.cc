#include "cli/engine/host_model.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/engine/cache_limits.h"
#include "cli/engine/process_status.h"
#include "common/base/status.h"

namespace sextant::cli {
namespace {

// Reads that no cache holds: the head's weights where they are large enough, else other memory.
constexpr std::int64_t kSmallestSample = std::int64_t{256} << 20;

}  // namespace

absl::StatusOr<std::unique_ptr<HostModel>> HostModel::Open(const ModelConfig& model,
                                                           const Checkpoint& checkpoint,
                                                           const Options& options) {
  ASSIGN_OR_RETURN(const Backend backend, ChooseBackend());
  ASSIGN_OR_RETURN(std::unique_ptr<HostModel> host, Load(model, checkpoint, options));
  RETURN_IF_ERROR(host->Build(backend));
  return host;
}

absl::StatusOr<std::unique_ptr<HostModel>> HostModel::Load(const ModelConfig& model,
                                                           const Checkpoint& checkpoint,
                                                           const Options& options) {
  std::unique_ptr<HostModel> host(new HostModel(model, checkpoint, options));
  RETURN_IF_ERROR(host->LoadWeights());
  RETURN_IF_ERROR(host->MakeCache());
  return host;
}

absl::Status HostModel::LoadWeights() {
  ASSIGN_OR_RETURN(weights_, AttentionWeights::Load(model_, loader_));
  ASSIGN_OR_RETURN(ExpertStore experts, ExpertStore::Load(model_, AllExperts(model_), loader_));
  experts_ = std::make_unique<ExpertStore>(std::move(experts));
  return absl::OkStatus();
}

absl::Status HostModel::MakeCache() {
  const std::int64_t blocks = (options_.cache_tokens + kBlockTokens - 1) / kBlockTokens;
  ASSIGN_OR_RETURN(cache_,
                   LatentCache::Create({.num_layers = static_cast<int>(model_.num_hidden_layers),
                                        .width = model_.cache_row_dim(),
                                        .block_tokens = kBlockTokens,
                                        .num_blocks = static_cast<std::int32_t>(blocks),
                                        .dtype = StorageType(options_.precision)}));
  return absl::OkStatus();
}

absl::Status HostModel::Build(Backend backend) {
  pool_ = std::make_unique<ThreadPool>(ThreadCount(options_.threads));
  stream_ = std::make_unique<Stream>(backend, *pool_);
  host_ = std::make_unique<StoredExperts>(*experts_, *stream_, options_.precision);
  exchange_ =
      std::make_unique<LocalExchange>(*host_, static_cast<std::int32_t>(model_.n_routed_experts));
  ASSIGN_OR_RETURN(transformer_, Transformer::Create({.config = model_,
                                                      .weights = weights_,
                                                      .stream = *stream_,
                                                      .cache = *cache_,
                                                      .exchange = *exchange_,
                                                      .precision = options_.precision}));
  return absl::OkStatus();
}

std::string HostModel::device() const {
  const int threads = pool_->num_threads();
  return absl::StrCat(threads, threads == 1 ? " thread" : " threads");
}

absl::StatusOr<Ceilings> HostModel::MeasureCeilings() {
  const WeightView& sample = weights_.lm_head;
  if (sample.bytes() < kSmallestSample) return sextant::MeasureCeilings(*stream_);
  return Ceilings{
      MeasureReadBytesPerSecond(*stream_, static_cast<const char*>(sample.data), sample.bytes()),
      MeasureProductFlopsPerSecond(*stream_)};
}

absl::StatusOr<std::int64_t> HostModel::WorkspaceBytes() {
  ASSIGN_OR_RETURN(const std::int64_t anonymous, AnonymousBytes());
  const LatentCacheShape& shape = cache_->shape();
  const BlockPool& pool = cache_->pool();
  return anonymous -
         (pool.num_blocks() - pool.num_free()) * shape.block_tokens * shape.BytesPerToken();
}

}  // namespace sextant::cli
