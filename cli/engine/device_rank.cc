#include "cli/engine/device_rank.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "attention_worker/device/device_latents.h"
#include "attention_worker/model/attention_weights.h"
#include "cli/engine/cache_limits.h"
#include "common/base/status.h"
#include "common/weights/weight_loader.h"
#include "expert_worker/store/expert_store.h"

namespace sextant::cli {
namespace {

// The driver's context, the kernels, the communicator, and the graphs of decode steps.
constexpr std::int64_t kReserveBytes = std::int64_t{2} << 30;

std::vector<int> MoeLayers(const ModelConfig& model) {
  std::vector<int> layers;
  for (int layer = 0; layer < model.num_hidden_layers; ++layer) {
    if (model.IsMoeLayer(layer)) layers.push_back(layer);
  }
  return layers;
}

}  // namespace

absl::StatusOr<std::unique_ptr<DeviceRank>> DeviceRank::Open(CudaBackend backend,
                                                             const ModelConfig& model,
                                                             const Checkpoint& checkpoint,
                                                             ConductorLink& link,
                                                             const Options& options) {
  ASSIGN_OR_RETURN(GpuStream stream, GpuStream::Create(*backend.gpu));
  std::unique_ptr<DeviceRank> rank(
      new DeviceRank(std::move(backend), model, options, std::move(stream)));
  if (rank->attends()) RETURN_IF_ERROR(rank->MakePlan());
  RETURN_IF_ERROR(rank->LoadWeights(checkpoint));
  RETURN_IF_ERROR(rank->MakeExchange(link));
  if (rank->attends()) RETURN_IF_ERROR(rank->MakeTransformer());
  return rank;
}

RankSender::Sizes DeviceRank::SenderSizes() const {
  return {.rows = options_.max_batch_tokens,
          .slot_rows = options_.max_sequences,
          .destinations = options_.most_ranks};
}

RankHost::Sizes DeviceRank::HostSizes() const {
  return RankHost::SizesFor(model_, options_.most_ranks, options_.max_batch_tokens,
                            options_.max_sequences);
}

absl::Status DeviceRank::MakePlan() {
  GpuInfo info;
  RETURN_IF_ERROR(ToStatus(backend_.gpu->Describe(&info), "the GPU's properties"));
  const std::int64_t budget = options_.memory_bytes > 0 ? options_.memory_bytes : info.free_bytes;
  const auto experts = static_cast<std::int64_t>(options_.role.experts.size());
  std::int64_t workspace = RankSender::Bytes(model_, SenderSizes());
  if (holds_experts()) workspace += RankHost::Bytes(model_, experts, HostSizes());
  ASSIGN_OR_RETURN(plan_,
                   PlanMemory(model_, {.budget_bytes = budget,
                                       .reserve_bytes = std::min(kReserveBytes, budget / 16),
                                       .routed_expert_bytes = DeviceExperts::Bytes(model_, experts),
                                       .expert_workspace_bytes = workspace,
                                       .max_batch_tokens = options_.max_batch_tokens,
                                       .max_sequences = options_.max_sequences,
                                       .block_tokens = kBlockTokens,
                                       .cache_tokens = options_.cache_tokens}));
  return absl::OkStatus();
}

absl::Status DeviceRank::LoadWeights(const Checkpoint& checkpoint) {
  GpuDriver& gpu = *backend_.gpu;
  std::int64_t bytes = 0;
  if (attends()) {
    ASSIGN_OR_RETURN(weights_, DeviceWeights::Allocate(gpu, model_));
    bytes += DeviceWeights::Bytes(model_).total();
  }
  if (holds_experts()) {
    ASSIGN_OR_RETURN(DeviceExperts experts,
                     DeviceExperts::Allocate(gpu, model_, options_.role.experts));
    experts_.emplace(std::move(experts));
    bytes += experts_->memory().bytes();
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<DeviceUpload> upload,
                   DeviceUpload::Create(gpu, {.threads = options_.upload_threads,
                                              .total_bytes = bytes,
                                              .progress = options_.progress}));
  WeightLoader loader(checkpoint, Precision::kBf16);
  // What is uploaded is read until Finish.
  AttentionWeights attention;
  if (attends()) {
    ASSIGN_OR_RETURN(attention, AttentionWeights::Load(model_, loader));
    RETURN_IF_ERROR(weights_.Upload(model_, attention, *upload));
  }
  std::optional<ExpertStore> store;
  if (holds_experts()) {
    ASSIGN_OR_RETURN(store, ExpertStore::Load(model_, experts_->ids(), loader));
    RETURN_IF_ERROR(experts_->Upload(*store, *upload));
  }
  return upload->Finish().status();
}

absl::Status DeviceRank::MakeExchange(ConductorLink& link) {
  if (attends()) {
    ASSIGN_OR_RETURN(sender_,
                     RankSender::Create(stream_, *backend_.kernels, model_, SenderSizes()));
  }
  if (holds_experts()) {
    ASSIGN_OR_RETURN(host_,
                     RankHost::Create(stream_, *backend_.kernels, model_, *experts_, HostSizes()));
  }
  ASSIGN_OR_RETURN(exchange_, RankExchange::Create({.gpu = *backend_.gpu,
                                                    .stream = stream_,
                                                    .sender = sender_.get(),
                                                    .host = host_.get(),
                                                    .link = link,
                                                    .moe_layers = MoeLayers(model_),
                                                    .most_ranks = options_.most_ranks}));
  return absl::OkStatus();
}

absl::Status DeviceRank::MakeTransformer() {
  ASSIGN_OR_RETURN(cache_, MakeDeviceCache(model_, kBlockTokens, plan_.num_blocks, stream_));
  ASSIGN_OR_RETURN(transformer_, DeviceTransformer::Create({.config = model_,
                                                            .gpu = *backend_.gpu,
                                                            .kernels = *backend_.kernels,
                                                            .weights = weights_,
                                                            .exchange = *exchange_,
                                                            .cache = *cache_,
                                                            .stream = stream_,
                                                            .sizes = plan_.step}));
  return absl::OkStatus();
}

}  // namespace sextant::cli
