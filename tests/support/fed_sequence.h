// Sequences whose tokens a test knows, fed to a model alone or together, and all their logits: what
// tests of the determinism rule compare.
#pragma once

#include <cstdint>
#include <vector>

#include "attention_worker/cache/latent_cache.h"
#include "attention_worker/model/step_model.h"

namespace sextant {

// What sequences are fed to.
struct FedModel {
  StepModel& model;
  LatentCache& cache;
};

// The ids of one sequence and how they are fed: the first `prompt` of them as a prompt, the rest
// as generated tokens.
class FedSequence {
 public:
  FedSequence(FedModel model, std::vector<std::int32_t> ids, std::int64_t prompt)
      : ids_(std::move(ids)), prompt_(prompt), blocks_(model.cache) {}

  [[nodiscard]] std::int64_t length() const { return static_cast<std::int64_t>(ids_.size()); }
  [[nodiscard]] std::int64_t fed() const { return fed_; }
  [[nodiscard]] bool done() const { return fed_ == length(); }
  [[nodiscard]] bool generating() const { return fed_ >= prompt_; }
  [[nodiscard]] SequenceBlocks& blocks() { return blocks_; }

  // The next up to `rows` positions of one path, with all their logits.
  [[nodiscard]] SequenceSlice Next(std::int64_t rows);

 private:
  std::vector<std::int32_t> ids_;
  std::int64_t prompt_;
  std::int64_t fed_ = 0;
  SequenceBlocks blocks_;
};

// The logits of all positions, [T * V]: prompt positions in chunks of `prompt_chunk`, generated
// ones `generated_chunk` rows at once. Fails the test on an error.
[[nodiscard]] std::vector<float> FeedAlone(FedModel model, std::vector<std::int32_t> ids,
                                           std::int64_t prompt, std::int64_t prompt_chunk,
                                           std::int64_t generated_chunk);

struct FedText {
  std::vector<std::int32_t> ids;
  std::int64_t prompt = 0;
};

// Ids below `vocab`.
[[nodiscard]] std::vector<std::int32_t> RandomIds(std::size_t count, std::uint32_t seed,
                                                  std::int32_t vocab);

// Unlike ones: of 1 to `longest` positions, all prompt, all but one generated, and in between.
[[nodiscard]] std::vector<FedText> UnlikeTexts(std::size_t count, std::size_t longest,
                                               std::int32_t vocab);

// Feeds all texts together, as an engine would: in each step some rows of every sequence that has
// joined, generated ones first; sequences join one after another, and chunks differ in size. The
// logits of each, as FeedAlone gives them.
[[nodiscard]] std::vector<std::vector<float>> FeedTogether(FedModel model,
                                                           const std::vector<FedText>& texts,
                                                           std::uint32_t seed);

[[nodiscard]] bool SameBytes(const std::vector<float>& a, const std::vector<float>& b);

}  // namespace sextant
