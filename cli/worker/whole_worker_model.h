// What a whole worker of a cluster computes with: both halves of the model, on a GPU or on the CPU,
// exchanging in place.
//
// A GPU offers the numeric profile "cuda" alone, and all weights are there when it is opened; a CPU
// offers every one that it has, and is built for the one that the cluster computes with.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "attention_worker/service/worker_model.h"
#include "cli/engine/device_model.h"
#include "cli/engine/host_model.h"
#include "common/config/engine_config.h"

namespace sextant::cli {

struct WholeWorkerDevice {
  DeviceChoice choice = DeviceChoice::kAuto;
  std::int64_t memory_bytes = 0;  // of a GPU's; 0: what is free
  int gpu = 0;                    // its number, from 0
  OpenGpu open_gpu = OpenCuda;
};

// A cache of args.cache_tokens: with 0 all that the GPU has room for, or kHostCacheTokens. Choice
// `auto` takes the CPU where no GPU computes such a model, or none of this host can be opened; the
// log says why. Where another one can, or this one is too small, it is an error: two profiles do
// not mix, and a worker on the CPU could lock those on GPUs out.
//
// Errors: those of OpenCuda and DeviceModel::Open where a GPU is asked for; of HostModel::Load.
[[nodiscard]] absl::StatusOr<std::unique_ptr<WorkerModel>> OpenWholeWorkerModel(
    const WorkerModelArgs& args, const WholeWorkerDevice& device);

class DeviceWorkerModel final : public WorkerModel {
 public:
  explicit DeviceWorkerModel(std::unique_ptr<DeviceModel> model) : model_(std::move(model)) {}

  [[nodiscard]] std::vector<std::string> profiles() const override { return {model_->profile()}; }
  [[nodiscard]] LatentCache& cache() override { return model_->cache(); }
  [[nodiscard]] v1::Role role() const override { return v1::ROLE_WHOLE; }
  [[nodiscard]] absl::Status Build(const std::string& profile,
                                   const std::string& worker_id) override;
  [[nodiscard]] StepModel& step_model() override { return model_->step_model(); }
  [[nodiscard]] absl::Status Check() override { return model_->Check(); }

 private:
  const std::unique_ptr<DeviceModel> model_;
};

class HostWorkerModel final : public WorkerModel {
 public:
  HostWorkerModel(std::unique_ptr<HostModel> model, std::vector<std::string> profiles)
      : model_(std::move(model)), profiles_(std::move(profiles)) {}

  [[nodiscard]] std::vector<std::string> profiles() const override { return profiles_; }
  [[nodiscard]] LatentCache& cache() override { return model_->cache(); }
  [[nodiscard]] v1::Role role() const override { return v1::ROLE_WHOLE; }
  [[nodiscard]] absl::Status Build(const std::string& profile,
                                   const std::string& worker_id) override;
  [[nodiscard]] StepModel& step_model() override { return model_->step_model(); }

 private:
  const std::unique_ptr<HostModel> model_;
  const std::vector<std::string> profiles_;
};

}  // namespace sextant::cli
