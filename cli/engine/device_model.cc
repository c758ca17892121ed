#include "cli/engine/device_model.h"

#include <algorithm>
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
  RETURN_IF_ERROR(device->MakeCache());
  RETURN_IF_ERROR(device->MakeTransformer());
  return device;
}

absl::Status DeviceModel::MakePlan(const Options& options) {
  RETURN_IF_ERROR(ToStatus(backend_.gpu->Describe(&info_), "the GPU's properties"));
  std::int64_t budget = info_.free_bytes;
  if (options.memory_bytes > budget) {
    return absl::ResourceExhaustedError(
        absl::StrCat("--device-memory asks for ", options.memory_bytes >> 20, " MiB, but only ",
                     budget >> 20, " MiB of ", info_.name, " are free"));
  }
  if (options.memory_bytes > 0) budget = options.memory_bytes;
  ASSIGN_OR_RETURN(
      plan_, PlanMemory(model_, {.budget_bytes = budget,
                                 .reserve_bytes = std::min(kReserveBytes, budget / 16),
                                 .routed_expert_bytes =
                                     DeviceExperts::Bytes(model_, model_.n_routed_experts),
                                 .expert_workspace_bytes = LocalDeviceExchange::WorkspaceBytes(
                                     model_, options.max_batch_tokens),
                                 .max_batch_tokens = options.max_batch_tokens,
                                 .max_sequences = options.max_sequences,
                                 .block_tokens = kBlockTokens,
                                 .cache_tokens = options.cache_tokens}));
  return absl::OkStatus();
}

}  // namespace sextant::cli
