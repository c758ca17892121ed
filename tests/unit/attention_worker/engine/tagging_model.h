// A model for tests of the engine: cheap, and sensitive to every position of the latent cache.
//
// The latent of a position is a tag, made of its token, of the path that computed it and of the
// tags of all positions before it, as they lie in the cache. Logits follow from the tag. So a
// block that was overwritten, shared wrongly or computed by the wrong path changes the tokens.
//
// It fails the test when a step breaks the rules of StepModel.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "attention_worker/cache/latent_cache.h"
#include "attention_worker/model/step_model.h"
#include "common/device/stream.h"
#include "common/device/thread_pool.h"

namespace sextant {

class TaggingModel final : public StepModel {
 public:
  static constexpr std::int64_t kVocab = 40;

  explicit TaggingModel(LatentCache& cache)
      : cache_(cache), pool_(1), stream_(Backend::kReference, pool_) {}

  [[nodiscard]] absl::Status Forward(absl::Span<const SequenceSlice> slices) override;
  [[nodiscard]] absl::StatusOr<MatrixView<const float>> Logits() override;
  [[nodiscard]] absl::Status Sample(const SampleStep& step) override;

  // Whether the engine may give it a step before it has the tokens of the one before.
  void set_looks_ahead(bool looks_ahead) { looks_ahead_ = looks_ahead; }
  [[nodiscard]] bool looks_ahead() const override { return looks_ahead_; }
  [[nodiscard]] absl::Status StartSample(const SampleStep& step) override;
  [[nodiscard]] absl::StatusOr<std::vector<absl::StatusOr<SampledToken>>> FinishSample() override;
  // FinishSample fails once with `status`; OK: it does not.
  void FailNextSampling(absl::Status status) { sampling_failure_ = std::move(status); }
  // Steps whose tokens it was not told.
  [[nodiscard]] std::int64_t steps_ahead() const { return steps_ahead_; }

  // The next `count` steps write garbage where they may, and fail with `status`.
  void FailNext(int count, absl::Status status) {
    failures_ = count;
    failure_ = std::move(status);
  }
  // Logits that are not numbers for a sequence whose last token is this one; -1: for none.
  void set_poison(std::int32_t token) { poison_ = token; }

  struct Step {
    std::int64_t rows = 0;
    std::int64_t decode_rows = 0;  // generated ones
    std::size_t slices = 0;
  };
  [[nodiscard]] const std::vector<Step>& steps() const { return steps_; }

 private:
  void CheckSlices(absl::Span<const SequenceSlice> slices) const;
  std::uint64_t* Tag(const SequenceBlocks& blocks, std::int64_t position) const;
  void WriteTags(const SequenceSlice& slice) const;
  void AddLogits(const SequenceSlice& slice);

  using Tokens = std::vector<absl::StatusOr<SampledToken>>;

  // The slices with their tokens, where those are still being chosen.
  [[nodiscard]] std::vector<SequenceSlice> Resolve(absl::Span<const SequenceSlice> slices);

  LatentCache& cache_;
  bool looks_ahead_ = false;
  absl::Status sampling_failure_;
  std::int64_t steps_ahead_ = 0;
  std::deque<Tokens> samplings_;           // under way
  std::vector<std::int32_t> sampled_ids_;  // of the last sampling, row by row
  ThreadPool pool_;
  Stream stream_;  // that chooses tokens
  int failures_ = 0;
  absl::Status failure_;
  std::int32_t poison_ = -1;
  std::vector<Step> steps_;
  std::vector<float> logits_;
};

// A cache of small blocks for it.
[[nodiscard]] std::unique_ptr<LatentCache> MakeTagCache(std::int64_t block_tokens,
                                                        std::int32_t num_blocks);

}  // namespace sextant
