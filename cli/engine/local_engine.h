// A model from its folder, run in this process: on a GPU where one can be used, else on the CPU.
// With device `auto` that is also where the GPU cannot run this model: one line on a terminal says
// why.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "attention_worker/engine/engine.h"
#include "cli/engine/cache_limits.h"
#include "cli/engine/device_model.h"
#include "cli/engine/whole_model.h"
#include "common/config/engine_config.h"
#include "common/config/model_config.h"
#include "common/weights/checkpoint.h"

namespace sextant::cli {

class LocalEngine {
 public:
  struct Options {
    bool random_weights = false;  // of the model's shape, for measuring on a GPU
    std::int64_t min_cache_tokens =
        0;  // that the latent cache must hold, whatever the settings say
    std::int64_t max_sequences = kMaxSequences;  // of a step
    OpenGpu open_gpu = OpenCuda;
  };

  // Maps the checkpoint in `model_dir` and readies the model. On a CPU no weight is read yet; on a
  // GPU all are there afterwards. With random weights the folder needs no more than config.json.
  // Errors: those of the configuration, the checkpoint, the backend and the GPU's memory, naming
  // the file; FailedPrecondition for a GPU that was asked for and cannot be used.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<LocalEngine>> Open(
      const std::string& model_dir, const EngineConfig& config, const Options& options);
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<LocalEngine>> Open(
      const std::string& model_dir, const EngineConfig& config) {
    return Open(model_dir, config, Options());
  }

  [[nodiscard]] const ModelConfig& model() const { return model_; }
  [[nodiscard]] const EngineConfig& config() const { return config_; }
  [[nodiscard]] Precision precision() const { return config_.dtype; }
  [[nodiscard]] WholeModel& whole() { return *whole_; }
  [[nodiscard]] StepModel& step_model() { return whole_->step_model(); }
  [[nodiscard]] LatentCache& cache() { return whole_->cache(); }

  // An engine that samples; ids in `banned_ids` (ascending) never come out.
  [[nodiscard]] Engine MakeEngine(std::vector<std::int32_t> banned_ids);

 private:
  LocalEngine(ModelConfig model, const EngineConfig& config, const Options& options,
              std::optional<Checkpoint> checkpoint)
      : model_(std::move(model)),
        config_(config),
        options_(options),
        checkpoint_(std::move(checkpoint)) {}
  absl::Status Load();
  [[nodiscard]] absl::StatusOr<std::unique_ptr<WholeModel>> OpenDevice();

  ModelConfig model_;
  EngineConfig config_;
  Options options_;
  std::optional<Checkpoint> checkpoint_;  // absent: random weights
  std::unique_ptr<WholeModel> whole_;
};

}  // namespace sextant::cli
