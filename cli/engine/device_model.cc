#include "cli/engine/device_model.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "attention_worker/device/device_latents.h"
#include "attention_worker/model/attention_weights.h"
#include "cli/engine/cache_limits.h"
#include "cli/engine/device_ceilings.h"
#include "common/base/status.h"
#include "common/weights/weight_loader.h"
#include "expert_worker/store/expert_store.h"

namespace sextant::cli {
namespace {

// The driver's context, the kernels, and the graphs of decode steps.
constexpr std::int64_t kReserveBytes = std::int64_t{1} << 30;
constexpr std::uint64_t kRandomSeed = 1;

}  // namespace

absl::StatusOr<std::unique_ptr<DeviceModel>> DeviceModel::Open(CudaBackend backend,
                                                               const ModelConfig& model,
                                                               const Checkpoint* checkpoint,
                                                               const Options& options) {
  ASSIGN_OR_RETURN(GpuStream stream, GpuStream::Create(*backend.gpu));
  std::unique_ptr<DeviceModel> device(
      new DeviceModel(std::move(backend), model, std::move(stream)));
  RETURN_IF_ERROR(device->MakePlan(options));
  RETURN_IF_ERROR(device->LoadWeights(checkpoint, options));
  RETURN_IF_ERROR(device->MakeTransformer());
  return device;
}

absl::Status DeviceModel::CheckWidths(const ModelConfig& model) {
  const auto check = [](const char* key, std::int64_t value, std::int64_t wanted) {
    if (value == wanted) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("the kernels for GPUs have the widths of DeepSeek-V2 and V2-Lite: ", key,
                     " is ", value, ", not ", wanted, "; run this model with --device cpu"));
  };
  RETURN_IF_ERROR(check("kv_lora_rank", model.kv_lora_rank, kLatentRank));
  RETURN_IF_ERROR(check("qk_rope_head_dim", model.qk_rope_head_dim, kLatentRope));
  RETURN_IF_ERROR(check("qk_nope_head_dim", model.qk_nope_head_dim, kPrefillNope));
  return check("v_head_dim", model.v_head_dim, kPrefillV);
}

absl::Status DeviceModel::MakePlan(const Options& options) {
  RETURN_IF_ERROR(CheckWidths(model_));
  RETURN_IF_ERROR(ToStatus(backend_.gpu->Describe(&info_), "the GPU's properties"));
  std::int64_t budget = info_.free_bytes;
  if (options.memory_bytes > budget) {
    return absl::ResourceExhaustedError(
        absl::StrCat("--device-memory asks for ", options.memory_bytes >> 20, " MiB, but only ",
                     budget >> 20, " MiB of ", info_.name, " are free"));
  }
  if (options.memory_bytes > 0) budget = options.memory_bytes;
  ASSIGN_OR_RETURN(plan_, PlanMemory(model_, {.budget_bytes = budget,
                                              .reserve_bytes = std::min(kReserveBytes, budget / 16),
                                              .routed_expert_bytes = DeviceExperts::Bytes(
                                                  model_, model_.n_routed_experts),
                                              .expert_workspace_bytes = LocalDeviceExchange::Bytes(
                                                  model_, options.max_batch_tokens),
                                              .max_batch_tokens = options.max_batch_tokens,
                                              .max_sequences = options.max_sequences,
                                              .block_tokens = kBlockTokens,
                                              .cache_tokens = options.cache_tokens}));
  return absl::OkStatus();
}

absl::Status DeviceModel::LoadWeights(const Checkpoint* checkpoint, const Options& options) {
  ASSIGN_OR_RETURN(weights_, DeviceWeights::Allocate(*backend_.gpu, model_));
  const std::vector<std::int32_t> experts = AllExperts(model_);
  ASSIGN_OR_RETURN(
      experts_, DeviceExperts::Allocate(*backend_.gpu, model_, static_cast<int>(experts.size())));
  const std::int64_t bytes =
      DeviceWeights::Bytes(model_).total() + DeviceExperts::Bytes(model_, model_.n_routed_experts);
  ASSIGN_OR_RETURN(const std::unique_ptr<DeviceUpload> upload,
                   DeviceUpload::Create(*backend_.gpu, {.threads = options.upload_threads,
                                                        .total_bytes = bytes,
                                                        .progress = options.progress}));
  if (checkpoint == nullptr) {
    RETURN_IF_ERROR(weights_.FillRandom(model_, *backend_.gpu, kernels_, kRandomSeed, *upload));
    RETURN_IF_ERROR(experts_->FillRandom(*backend_.gpu, kernels_, kRandomSeed));
    return upload->Finish().status();
  }
  WeightLoader loader(*checkpoint, Precision::kBf16);
  ASSIGN_OR_RETURN(const AttentionWeights attention, AttentionWeights::Load(model_, loader));
  RETURN_IF_ERROR(weights_.Upload(model_, attention, *upload));
  ASSIGN_OR_RETURN(const ExpertStore store, ExpertStore::Load(model_, experts, loader));
  RETURN_IF_ERROR(experts_->Load(experts, store, *upload).status());
  ASSIGN_OR_RETURN(upload_, upload->Finish());
  return absl::OkStatus();
}

absl::Status DeviceModel::MakeTransformer() {
  ASSIGN_OR_RETURN(cache_, MakeDeviceCache(model_, kBlockTokens, plan_.num_blocks, stream_));
  ASSIGN_OR_RETURN(exchange_, LocalDeviceExchange::Create(*backend_.gpu, kernels_, model_,
                                                          *experts_, plan_.step.rows));
  ASSIGN_OR_RETURN(transformer_, DeviceTransformer::Create({.config = model_,
                                                            .gpu = *backend_.gpu,
                                                            .kernels = kernels_,
                                                            .weights = weights_,
                                                            .exchange = *exchange_,
                                                            .cache = *cache_,
                                                            .stream = stream_,
                                                            .sizes = plan_.step}));
  return absl::OkStatus();
}

std::string DeviceModel::MemoryTable() const {
  std::string text = FormatTable(plan_);
  if (upload_.bytes > 0 && upload_.seconds > 0) {
    absl::StrAppendFormat(&text, "weights came in %.2f s, at %.1f GB/s\n", upload_.seconds,
                          static_cast<double>(upload_.bytes) / upload_.seconds * 1e-9);
  }
  return text;
}

absl::StatusOr<Ceilings> DeviceModel::MeasureCeilings() {
  return MeasureDeviceCeilings(stream_, kernels_, experts_->memory(), info_.multiprocessors);
}

absl::StatusOr<std::vector<KernelTime>> DeviceModel::TimeKernels(
    const StepFacts& facts, absl::FunctionRef<absl::Status()> step) {
  KernelClock clock(*backend_.kernels, stream_, facts);
  kernels_ = KernelClock::TimedKernels(*backend_.kernels);
  transformer_->set_graphs(false);
  const absl::Status status = step();
  transformer_->set_graphs(true);
  kernels_ = *backend_.kernels;
  RETURN_IF_ERROR(status);
  return clock.Read();
}

absl::StatusOr<std::int64_t> DeviceModel::WorkspaceBytes() {
  return LayOutStep(model_, plan_.step, nullptr).bytes() +
         LocalDeviceExchange::Bytes(model_, plan_.step.rows);
}

}  // namespace sextant::cli
