// Continuous batching on one model: sequences join and leave between steps, each made of the rows
// that the scheduler chose (scheduler.h says by which rules).
//
// Numerics:  a sequence's tokens depend on its request, the model, the backend and the precision:
//            not on what else runs, on the budget of a step, on the prefix cache, nor on whether it
//            was preempted or begun elsewhere.
// Threads:   one thread owns the engine and makes every call.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "attention_worker/cache/latent_cache.h"
#include "attention_worker/engine/generation_request.h"
#include "attention_worker/engine/scheduler.h"
#include "attention_worker/model/step_model.h"

namespace sextant {

// What an engine holds now, and what it has done since it was made.
struct EngineStats {
  std::int64_t running = 0;
  std::int64_t waiting = 0;
  std::int64_t held_back = 0;    // of those that wait: they do not fit, in whatever step
  std::int64_t free_blocks = 0;  // those that hold only prefixes included
  std::int64_t num_blocks = 0;
  std::int64_t steps = 0;
  std::int64_t failed_steps = 0;      // to be made again
  std::int64_t generated_tokens = 0;  // reported
  SchedulerCounts rows;
};

class Engine {
 public:
  struct Options {
    std::int64_t max_batch_tokens = 512;  // rows per step
    std::int64_t max_sequences = 64;      // running at once
    std::int64_t max_waiting = std::int64_t{1} << 40;
    std::int64_t max_context = 0;  // positions that the model has
    std::int64_t vocab_size = 0;
    std::vector<std::int32_t> banned_ids;  // have logits but no token: never sampled; ascending
    bool prefix_cache = false;
  };

  // `model` and `cache` outlive the engine.
  Engine(StepModel& model, LatentCache& cache, Options options);
  ~Engine();

  // Queues a request; its tokens come from Step. Returns the sequence's number.
  // Errors: InvalidArgument naming what is wrong (empty prompt, an id outside the vocabulary, a
  // length beyond the model's or the cache's, sampling parameters out of range);
  // ResourceExhausted when max_waiting wait already.
  [[nodiscard]] absl::StatusOr<std::int64_t> Submit(GenerationRequest request);

  // Whether a Step would do nothing.
  [[nodiscard]] bool idle() const {
    return scheduler_.num_waiting() == 0 && scheduler_.running().empty();
  }

  // Runs one step; returns the tokens that it produced (none while prompts are still being read).
  // With a model that looks ahead, the step after it may be on its way when this returns: a
  // sequence that has ended or been cancelled meanwhile gets nothing of it, and one that comes
  // meanwhile waits for it. Errors: those of the model, above all Unavailable when no worker serves
  // an expert. No sequence has lost or gained anything then, and the next Step tries again.
  [[nodiscard]] absl::StatusOr<std::vector<TokenEvent>> Step();

  // Forgets a sequence and frees its blocks. No-op for one that has ended.
  void Cancel(std::int64_t sequence);

  // Ends every running sequence with an error: for a step that must not be tried again.
  [[nodiscard]] std::vector<TokenEvent> FailRunning(const absl::Status& status);

  [[nodiscard]] EngineStats stats() const;

 private:
  using Tokens = std::vector<absl::StatusOr<SampledToken>>;

  // Looking ahead (engine_ahead.cc). Whether nothing but the tokens themselves decides how the next
  // ones of all of them are chosen.
  [[nodiscard]] bool CanLookAhead(const StepPlan& plan) const;
  // Gives the model the choice of tokens after each of `owners`, of which `unknown` have been given
  // to it and not come back.
  [[nodiscard]] absl::Status StartSample(absl::Span<Sequence* const> owners, std::int64_t unknown);
  // Gives the model the step after `plan`, whose tokens are being chosen, where it can.
  void LookAhead(const StepPlan& plan);
  // Waits for the tokens of the step that was given to the model first. After an error none is on
  // its way any more.
  [[nodiscard]] absl::StatusOr<Tokens> FinishSample();
  // Waits for the step that is on its way, for nothing.
  void DropStepAhead();
  // The step that is on its way, without the rows of sequences that are gone.
  [[nodiscard]] absl::StatusOr<std::vector<TokenEvent>> FinishStepAhead();

  // After the model has computed `plan`: what came of it.
  [[nodiscard]] std::vector<TokenEvent> Finish(const StepPlan& plan,
                                               absl::Span<Sequence* const> sampled, Tokens tokens);
  [[nodiscard]] absl::Status CheckRequest(const GenerationRequest& request) const;
  [[nodiscard]] absl::Status CheckIds(absl::Span<const std::int32_t> ids) const;
  [[nodiscard]] absl::Status CheckLength(const GenerationRequest& request) const;
  // Chooses the token after each of `owners`, whose logits the model has, by the ids banned for it.
  [[nodiscard]] absl::StatusOr<Tokens> SampleRows(absl::Span<Sequence* const> owners);
  [[nodiscard]] absl::Span<const std::int32_t> BannedIds(const Sequence& sequence) const;
  [[nodiscard]] TokenEvent Report(Sequence& sequence, absl::StatusOr<SampledToken> token);

  StepModel& model_;
  LatentCache& cache_;
  Options options_;
  Scheduler scheduler_;
  // The sequences of the step that is on its way, row by row; empty: there is none.
  std::vector<std::int64_t> ahead_;
  std::int64_t next_sequence_ = 0;
  std::int64_t steps_ = 0;
  std::int64_t failed_steps_ = 0;
  std::int64_t generated_tokens_ = 0;
};

}  // namespace sextant
