#include "cli/engine/device_rank.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
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
// Pinned as long as a rank lives, for experts that come while it computes.
constexpr std::int64_t kStagingBytes = std::int64_t{4} << 20;
constexpr int kStagingBuffers = 2;

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
  if (options.expert_slots < 0 || (!options.attends && options.expert_slots == 0)) {
    return absl::InvalidArgumentError(
        "a GPU that neither attends nor has slots for experts has nothing to do");
  }
  ASSIGN_OR_RETURN(GpuStream stream, GpuStream::Create(*backend.gpu));
  std::unique_ptr<DeviceRank> rank(
      new DeviceRank(std::move(backend), model, checkpoint, options, std::move(stream)));
  RETURN_IF_ERROR(rank->MakePlan());
  if (options.attends) RETURN_IF_ERROR(rank->LoadAttention());
  if (rank->holds_experts()) RETURN_IF_ERROR(rank->MakeExperts());
  RETURN_IF_ERROR(rank->MakeExchange(link));
  if (options.attends) RETURN_IF_ERROR(rank->MakeTransformer());
  return rank;
}

RankSender::Sizes DeviceRank::SenderSizes() const {
  return {.rows = options_.max_batch_tokens,
          .slot_rows = options_.max_sequences,
          .destinations = options_.most_ranks};
}

ReceivedRows::Sizes DeviceRank::HostSizes() const {
  return ReceivedRows::SizesFor(model_, options_.most_ranks, options_.max_batch_tokens,
                                options_.max_sequences);
}

absl::Status DeviceRank::MakePlan() {
  GpuInfo info;
  RETURN_IF_ERROR(ToStatus(backend_.gpu->Describe(&info), "the GPU's properties"));
  const std::int64_t budget = options_.memory_bytes > 0 ? options_.memory_bytes : info.free_bytes;
  const std::int64_t reserve = std::min(kReserveBytes, budget / 16);
  const std::int64_t experts = DeviceExperts::Bytes(model_, options_.expert_slots);
  std::int64_t workspace = 0;
  if (holds_experts()) workspace += RankHost::Bytes(model_, options_.expert_slots, HostSizes());
  if (!options_.attends) {
    const std::int64_t missing = experts + workspace + reserve - budget;
    if (missing <= 0) return absl::OkStatus();
    return absl::ResourceExhaustedError(
        absl::StrCat("device memory: of ", budget >> 20, " MiB, ", (missing >> 20) + 1,
                     " MiB are missing for ", options_.expert_slots,
                     " slots for experts and their workspaces; use fewer expert_slots, "
                     "or give more memory (--device-memory, a larger GPU)"));
  }
  workspace += RankSender::Bytes(model_, SenderSizes());
  ASSIGN_OR_RETURN(plan_, PlanMemory(model_, {.budget_bytes = budget,
                                              .reserve_bytes = reserve,
                                              .routed_expert_bytes = experts,
                                              .expert_workspace_bytes = workspace,
                                              .max_batch_tokens = options_.max_batch_tokens,
                                              .max_sequences = options_.max_sequences,
                                              .block_tokens = kBlockTokens,
                                              .cache_tokens = options_.cache_tokens}));
  return absl::OkStatus();
}

absl::Status DeviceRank::LoadAttention() {
  GpuDriver& gpu = *backend_.gpu;
  ASSIGN_OR_RETURN(weights_, DeviceWeights::Allocate(gpu, model_));
  ASSIGN_OR_RETURN(const std::unique_ptr<DeviceUpload> upload,
                   DeviceUpload::Create(gpu, {.threads = options_.upload_threads,
                                              .total_bytes = DeviceWeights::Bytes(model_).total(),
                                              .progress = options_.progress}));
  WeightLoader loader(checkpoint_, Precision::kBf16);
  // What is uploaded is read until Finish.
  ASSIGN_OR_RETURN(const AttentionWeights attention, AttentionWeights::Load(model_, loader));
  RETURN_IF_ERROR(weights_.Upload(model_, attention, *upload));
  return upload->Finish().status();
}

absl::Status DeviceRank::MakeExperts() {
  GpuDriver& gpu = *backend_.gpu;
  ASSIGN_OR_RETURN(experts_, DeviceExperts::Allocate(gpu, model_, options_.expert_slots));
  ASSIGN_OR_RETURN(expert_upload_, DeviceUpload::Create(gpu, {.threads = options_.upload_threads,
                                                              .staging_bytes = kStagingBytes,
                                                              .buffers = kStagingBuffers}));
  return absl::OkStatus();
}

absl::StatusOr<DeviceUpload::Totals> DeviceRank::LoadExperts(
    absl::Span<const std::int32_t> experts) {
  if (experts.empty()) return DeviceUpload::Totals();
  if (!holds_experts()) {
    return absl::FailedPreconditionError(
        "experts for a GPU that has no slots for any; raise expert_slots");
  }
  const auto began = std::chrono::steady_clock::now();
  std::vector<std::shared_ptr<const HeldExpert>> mapped(
      static_cast<std::size_t>(model_.n_routed_experts));
  for (const std::int32_t expert : experts) {
    if (experts_->SlotOf(expert).has_value()) continue;
    ASSIGN_OR_RETURN(std::shared_ptr<const HeldExpert> held,
                     HeldExpert::Load(model_, expert, checkpoint_, Precision::kBf16));
    mapped[static_cast<std::size_t>(expert)] = std::move(held);
  }
  ASSIGN_OR_RETURN(const std::int64_t bytes,
                   experts_->Load(experts, ExpertStore(std::move(mapped)), *expert_upload_));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  return DeviceUpload::Totals{.bytes = bytes, .seconds = took.count()};
}

void DeviceRank::KeepExperts(absl::Span<const std::int32_t> experts) {
  if (!holds_experts()) return;
  std::vector<std::int32_t> dropped = experts_->Ids();
  std::erase_if(dropped, [&](std::int32_t expert) {
    return std::find(experts.begin(), experts.end(), expert) != experts.end();
  });
  experts_->Drop(dropped);
}

absl::Status DeviceRank::MakeExchange(ConductorLink& link) {
  if (options_.attends) {
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
