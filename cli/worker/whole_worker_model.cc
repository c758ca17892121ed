#include "cli/worker/whole_worker_model.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "common/config/role_config.h"
#include "common/device/backend.h"
#include "common/membership/worker_hello.h"

namespace sextant::cli {
namespace {

// Whether a GPU computes this at all. Errors: InvalidArgument saying why none does.
absl::Status CheckForGpus(const WorkerModelArgs& args) {
  if (args.precision == Precision::kFp32) {
    return absl::InvalidArgumentError("a GPU computes in bf16 alone, and fp32 was asked for");
  }
  return DeviceModel::CheckWidths(args.config);
}

bool HasAnotherGpu(const WholeWorkerDevice& device) {
  for (int number = 0; number < kWholeWorkersRange.max; ++number) {
    if (number != device.gpu && device.open_gpu(number).ok()) return true;
  }
  return false;
}

absl::StatusOr<std::unique_ptr<WorkerModel>> OpenOnGpu(const WorkerModelArgs& args,
                                                       const WholeWorkerDevice& device,
                                                       CudaBackend backend) {
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

}  // namespace

absl::StatusOr<std::unique_ptr<WorkerModel>> OpenWholeWorkerModel(const WorkerModelArgs& args,
                                                                  const WholeWorkerDevice& device) {
  if (device.choice == DeviceChoice::kCpu) return OpenOnHost(args);
  absl::Status why_no_gpu = CheckForGpus(args);
  if (why_no_gpu.ok()) {
    absl::StatusOr<CudaBackend> backend = device.open_gpu(device.gpu);
    if (backend.ok()) return OpenOnGpu(args, device, *std::move(backend));
    why_no_gpu = backend.status();
    if (device.choice == DeviceChoice::kAuto && HasAnotherGpu(device)) {
      return AddContext(why_no_gpu, "this host has GPUs, and each whole worker takes one");
    }
  }
  if (device.choice == DeviceChoice::kCuda) return why_no_gpu;
  args.log.Info("computing on the CPU", {{"why_no_gpu", why_no_gpu.message()}});
  return OpenOnHost(args);
}

absl::Status DeviceWorkerModel::Build(const std::string& profile,
                                      const std::string& /*worker_id*/) {
  if (profile == model_->profile()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("this worker computes ", model_->profile(), ", not ", profile));
}

absl::Status HostWorkerModel::Build(const std::string& profile, const std::string& /*worker_id*/) {
  ASSIGN_OR_RETURN(const Backend backend, ParseBackend(profile));
  return model_->Build(backend);
}

}  // namespace sextant::cli
