// An engine over the tagging model, with a cache of the test's choice, and what came out of it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "attention_worker/engine/engine.h"
#include "tests/unit/attention_worker/engine/tagging_model.h"

namespace sextant {

struct EngineOutput {
  std::vector<std::int32_t> ids;
  std::vector<float> logprobs;
  std::optional<FinishReason> finish;
  absl::Status failure;
  std::int64_t cached_prompt_tokens = 0;
};

struct EngineHarnessOptions {
  std::int64_t block_tokens = 4;
  std::int32_t num_blocks = 256;
  std::int64_t max_batch_tokens = 512;
  std::int64_t max_sequences = 64;
  std::int64_t max_waiting = 1000;
  bool prefix_cache = true;
};

class EngineHarness {
 public:
  explicit EngineHarness(const EngineHarnessOptions& options = {});

  [[nodiscard]] Engine& engine() { return *engine_; }
  [[nodiscard]] TaggingModel& model() { return model_; }
  [[nodiscard]] BlockPool& pool() { return cache_->pool(); }

  // Another engine on the same model and cache; outputs so far are forgotten.
  void RestartEngine();

  // Fails the test on an error.
  std::int64_t Submit(GenerationRequest request);
  // One step; records its events. Fails the test on an error of the step.
  void Step();
  // Steps until nothing is left to do.
  void RunAll();

  [[nodiscard]] const std::map<std::int64_t, EngineOutput>& outputs() const { return outputs_; }
  // Of one sequence; empty while nothing has come.
  [[nodiscard]] EngineOutput Output(std::int64_t sequence) const {
    const auto found = outputs_.find(sequence);
    return found == outputs_.end() ? EngineOutput() : found->second;
  }
  void Record(const std::vector<TokenEvent>& events);

 private:
  const EngineHarnessOptions options_;
  std::unique_ptr<LatentCache> cache_;
  TaggingModel model_;
  std::unique_ptr<Engine> engine_;
  std::map<std::int64_t, EngineOutput> outputs_;
};

// What a request gets when it is alone, with all the room it wants and nothing cached.
[[nodiscard]] EngineOutput RunAlone(GenerationRequest request);

// `length` ids from `seed`; equal seeds give equal heads.
[[nodiscard]] std::vector<std::int32_t> SeededIds(std::uint32_t seed, std::size_t length);

}  // namespace sextant
