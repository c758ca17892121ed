// Continuous batching on one transformer: sequences join and leave between steps.
//
// Each step takes one row of every generating sequence first, then prompt chunks, first come first
// served, up to a budget of rows. A sequence is admitted when the cache can hold it to its last
// token, so a running one never waits for blocks.
//
// Threads: one thread owns the engine and makes every call.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "attention_worker/cache/latent_cache.h"
#include "attention_worker/model/transformer.h"
#include "common/sampling_params/sampling_params.h"
#include "kernels/sampling/sample.h"

namespace sextant {

struct GenerationRequest {
  std::vector<std::int32_t> prompt_ids;  // at least one
  SamplingParams sampling;
  std::int64_t max_tokens = 0;         // at least one
  std::vector<std::int32_t> stop_ids;  // ends with FinishReason::kStop; the id is still reported
};

enum class FinishReason : std::uint8_t { kStop, kLength };

struct TokenEvent {
  std::int64_t sequence = 0;
  absl::StatusOr<SampledToken> token;  // an error (a broken model's logits) ends the sequence
  std::optional<FinishReason> finish;  // set with the last token
};

class Engine {
 public:
  struct Options {
    std::int64_t max_batch_tokens = 512;  // rows per step
    std::int64_t max_sequences = 64;      // running at once
    std::int64_t max_context = 0;         // positions that the model has
    std::int64_t vocab_size = 0;
    std::vector<std::int32_t> banned_ids;  // have logits but no token: never sampled; ascending
  };

  // `transformer`, `cache` and `stream` outlive the engine.
  Engine(Transformer& transformer, LatentCache& cache, Stream& stream, Options options);
  ~Engine();

  // Queues a request; its tokens come from Step. Returns the sequence's number.
  // Errors: InvalidArgument naming what is wrong (empty prompt, an id outside the vocabulary, a
  // length beyond the model's or the cache's, sampling parameters out of range).
  [[nodiscard]] absl::StatusOr<std::int64_t> Submit(GenerationRequest request);

  // Whether a Step would do nothing.
  [[nodiscard]] bool idle() const { return waiting_.empty() && running_.empty(); }

  // Runs one step; returns the tokens that it produced (none while prompts are still being read).
  [[nodiscard]] absl::StatusOr<std::vector<TokenEvent>> Step();

  // Forgets a sequence and frees its blocks. No-op for one that has ended.
  void Cancel(std::int64_t sequence);

 private:
  struct Sequence;

  [[nodiscard]] absl::Status CheckRequest(const GenerationRequest& request) const;
  [[nodiscard]] std::int64_t BlocksFor(std::int64_t tokens) const;
  void AdmitWaiting();
  // The slices of the next step, and which running sequence each belongs to.
  [[nodiscard]] absl::Status PlanStep(std::vector<SequenceSlice>& slices,
                                      std::vector<Sequence*>& owners);
  [[nodiscard]] absl::StatusOr<std::vector<TokenEvent>> SampleStep(
      MatrixView<const float> logits, absl::Span<Sequence* const> owners);
  void RemoveFinished();

  Transformer& transformer_;
  LatentCache& cache_;
  Stream& stream_;
  Options options_;
  std::int64_t next_sequence_ = 0;
  std::int64_t reserved_blocks_ = 0;  // of all running sequences, at their longest
  std::deque<std::unique_ptr<Sequence>> waiting_;
  std::vector<std::unique_ptr<Sequence>> running_;  // in order of admission
};

}  // namespace sextant
