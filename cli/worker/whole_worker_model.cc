#include "cli/worker/whole_worker_model.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "common/device/backend.h"
#include "common/membership/worker_hello.h"

namespace sextant::cli {
namespace {

absl::StatusOr<std::unique_ptr<WorkerModel>> OpenOnGpu(const WorkerModelArgs& args,
                                                       const WholeWorkerDevice& device) {
  if (args.precision == Precision::kFp32) {
    return absl::InvalidArgumentError("a GPU computes in bf16 alone, and fp32 was asked for");
  }
  ASSIGN_OR_RETURN(CudaBackend backend, device.open_gpu(device.gpu));
  DeviceModel::Options options{.memory_bytes = device.memory_bytes,
                               .max_batch_tokens = args.max_batch_tokens,
                               .max_sequences = args.max_sequences,
                               .upload_threads = args.threads};
  if (args.cache_tokens > 0) options.cache_tokens = args.cache_tokens;
  ASSIGN_OR_RETURN(std::unique_ptr<DeviceModel> model,
                   DeviceModel::Open(std::move(backend), args.config, &args.checkpoint, options));
  args.log.Info("computing on a GPU", {{"gpu", device.gpu},
                                       {"name", model->device()},
                                       {"memory_mib", model->plan().TotalBytes() >> 20},
                                       {"cache_tokens", model->plan().cached_tokens},
                                       {"upload_seconds", model->upload().seconds}});
  return std::make_unique<DeviceWorkerModel>(std::move(model));
}

absl::StatusOr<std::unique_ptr<WorkerModel>> OpenOnHost(const WorkerModelArgs& args) {
  ASSIGN_OR_RETURN(std::vector<std::string> profiles, OfferedProfiles());
  const std::int64_t cache_tokens = args.cache_tokens > 0 ? args.cache_tokens : kHostCacheTokens;
  ASSIGN_OR_RETURN(
      std::unique_ptr<HostModel> model,
      HostModel::Load(
          args.config, args.checkpoint,
          {.threads = args.threads, .precision = args.precision, .cache_tokens = cache_tokens}));
  return std::make_unique<HostWorkerModel>(std::move(model), std::move(profiles));
}

bool IsForGpus(const WorkerModelArgs& args) {
  return args.precision == Precision::kBf16 && DeviceModel::CheckWidths(args.config).ok();
}

}  // namespace

absl::StatusOr<std::unique_ptr<WorkerModel>> OpenWholeWorkerModel(const WorkerModelArgs& args,
                                                                  const WholeWorkerDevice& device) {
  if (device.choice == DeviceChoice::kCpu) return OpenOnHost(args);
  absl::StatusOr<std::unique_ptr<WorkerModel>> on_gpu = OpenOnGpu(args, device);
  if (on_gpu.ok() || device.choice == DeviceChoice::kCuda) return on_gpu;
  if (device.gpu > 0 && IsForGpus(args) && device.open_gpu(0).ok()) {
    return AddContext(on_gpu.status(), "this host has GPUs, and each whole worker takes one");
  }
  args.log.Info("computing on the CPU", {{"why_no_gpu", on_gpu.status().message()}});
  return OpenOnHost(args);
}

absl::Status DeviceWorkerModel::Build(const std::string& profile) {
  if (profile == model_->profile()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("this worker computes ", model_->profile(), ", not ", profile));
}

absl::Status HostWorkerModel::Build(const std::string& profile) {
  ASSIGN_OR_RETURN(const Backend backend, ParseBackend(profile));
  return model_->Build(backend);
}

}  // namespace sextant::cli
