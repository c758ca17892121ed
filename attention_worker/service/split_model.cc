#include "attention_worker/service/split_model.h"

#include <utility>

#include "common/base/status.h"
#include "common/device/backend.h"
#include "common/membership/worker_hello.h"
#include "common/rpc/channel.h"

namespace sextant {
namespace {

constexpr std::int64_t kBlockTokens = 64;  // 36 KiB of V2-Lite's latents per layer and block

}  // namespace

absl::StatusOr<std::unique_ptr<WorkerModel>> SplitModel::Open(const WorkerModelArgs& args) {
  ASSIGN_OR_RETURN(std::vector<std::string> profiles, OfferedProfiles());
  std::unique_ptr<SplitModel> model(new SplitModel(args, std::move(profiles)));
  RETURN_IF_ERROR(model->Load(args.cache_tokens));
  return model;
}

SplitModel::SplitModel(const WorkerModelArgs& args, std::vector<std::string> profiles)
    : config_(args.config),
      precision_(args.precision),
      profiles_(std::move(profiles)),
      loader_(args.checkpoint, args.precision),
      pool_(args.threads),
      exchange_({.num_experts = static_cast<std::int32_t>(args.config.n_routed_experts),
                 .hidden = args.config.hidden_size,
                 .precision = args.precision,
                 .own_host_id = HostId()}),
      timed_exchange_(exchange_, args.metrics) {}

absl::Status SplitModel::Load(std::int64_t cache_tokens) {
  ASSIGN_OR_RETURN(weights_, AttentionWeights::Load(config_, loader_));
  const std::int64_t blocks = (cache_tokens + kBlockTokens - 1) / kBlockTokens;
  ASSIGN_OR_RETURN(cache_,
                   LatentCache::Create({.num_layers = static_cast<int>(config_.num_hidden_layers),
                                        .width = config_.cache_row_dim(),
                                        .block_tokens = kBlockTokens,
                                        .num_blocks = static_cast<std::int32_t>(blocks),
                                        .dtype = StorageType(precision_)}));
  return absl::OkStatus();
}

absl::Status SplitModel::Build(const std::string& profile, const std::string& /*worker_id*/) {
  ASSIGN_OR_RETURN(const Backend backend, ParseBackend(profile));
  stream_ = std::make_unique<Stream>(backend, pool_);
  ASSIGN_OR_RETURN(transformer_, Transformer::Create({.config = config_,
                                                      .weights = weights_,
                                                      .stream = *stream_,
                                                      .cache = *cache_,
                                                      .exchange = timed_exchange_,
                                                      .precision = precision_}));
  return absl::OkStatus();
}

}  // namespace sextant
