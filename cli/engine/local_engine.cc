#include "cli/engine/local_engine.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/engine/host_model.h"
#include "cli/engine/progress_bar.h"
#include "common/base/status.h"
#include "common/device/thread_pool.h"
#include "common/weights/model_tensors.h"

namespace sextant::cli {

absl::StatusOr<std::unique_ptr<LocalEngine>> LocalEngine::Open(const std::string& model_dir,
                                                               const EngineConfig& config,
                                                               const Options& options) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(model_dir, ignored)) {
    return absl::NotFoundError(absl::StrCat(
        model_dir, ": is no folder; give that of a checkpoint, with config.json and the weights"));
  }
  ASSIGN_OR_RETURN(ModelConfig model, ReadModelConfig(model_dir));
  std::optional<Checkpoint> checkpoint;
  if (!options.random_weights) {
    ASSIGN_OR_RETURN(checkpoint, Checkpoint::Open(model_dir));
    RETURN_IF_ERROR(CheckModelTensors(*checkpoint, model));
  }
  std::unique_ptr<LocalEngine> engine(
      new LocalEngine(std::move(model), config, options, std::move(checkpoint)));
  RETURN_IF_ERROR(engine->Load());
  return engine;
}

namespace {

// For people: a build without CUDA has promised no GPU, and a log gets no line for each command.
void SayWhyNoGpu(const absl::Status& why) {
  if (absl::IsNotFound(why) || ::isatty(STDERR_FILENO) != 1) return;
  std::fprintf(stderr, "no GPU, so the CPU computes: %s\n", std::string(why.message()).c_str());
}

}  // namespace

absl::Status LocalEngine::Load() {
  if (config_.device != DeviceChoice::kCpu) {
    absl::StatusOr<std::unique_ptr<WholeModel>> device = OpenDevice();
    if (device.ok()) {
      whole_ = *std::move(device);
      return absl::OkStatus();
    }
    // Nor can a CPU stand in where weights were to be made up on the GPU that there is.
    const bool has_gpu = !absl::IsNotFound(device.status());
    if (config_.device == DeviceChoice::kCuda || (!checkpoint_.has_value() && has_gpu)) {
      return device.status();
    }
    SayWhyNoGpu(device.status());
  }
  if (!checkpoint_.has_value()) {
    return absl::FailedPreconditionError(
        "random weights are for measuring on a GPU; for a CPU make a checkpoint of them with "
        "`sextant make-checkpoint`");
  }
  ASSIGN_OR_RETURN(whole_, HostModel::Open(model_, *checkpoint_,
                                           {.threads = config_.threads,
                                            .precision = config_.dtype,
                                            .cache_tokens = std::max(HostCacheTokens(config_),
                                                                     options_.min_cache_tokens)}));
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<WholeModel>> LocalEngine::OpenDevice() {
  ASSIGN_OR_RETURN(CudaBackend backend, options_.open_gpu(0));
  if (config_.dtype == Precision::kFp32) {
    return absl::InvalidArgumentError("a GPU computes in bf16 alone, and fp32 was asked for");
  }
  std::optional<ProgressBar> bar;
  DeviceModel::Options options{.memory_bytes = config_.device_memory_bytes,
                               .max_batch_tokens = config_.max_batch_tokens,
                               .max_sequences = options_.max_sequences,
                               .upload_threads = ThreadCount(config_.threads)};
  if (config_.cache_tokens > 0) {
    options.cache_tokens = std::max(config_.cache_tokens, options_.min_cache_tokens);
  }
  options.progress = [&bar](std::int64_t done, std::int64_t of) {
    if (!bar.has_value()) bar.emplace("weights to the GPU");
    bar->Update(done, of);
  };
  return DeviceModel::Open(std::move(backend), model_,
                           checkpoint_.has_value() ? &*checkpoint_ : nullptr, options);
}

Engine LocalEngine::MakeEngine(std::vector<std::int32_t> banned_ids) {
  return Engine(step_model(), cache(),
                {.max_batch_tokens = config_.max_batch_tokens,
                 .max_sequences = options_.max_sequences,
                 .max_context = model_.max_position_embeddings,
                 .vocab_size = model_.vocab_size,
                 .banned_ids = std::move(banned_ids)});
}

}  // namespace sextant::cli
