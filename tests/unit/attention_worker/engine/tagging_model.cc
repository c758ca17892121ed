#include "tests/unit/attention_worker/engine/tagging_model.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>
#include <utility>

namespace sextant {
namespace {

std::uint64_t Mix(std::uint64_t a, std::uint64_t b) {  // splitmix64's finaliser
  std::uint64_t x = a * 0x9E3779B97F4A7C15ULL + b + 0x632BE59BD9B4E019ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

}  // namespace

std::unique_ptr<LatentCache> MakeTagCache(std::int64_t block_tokens, std::int32_t num_blocks) {
  auto cache = LatentCache::Create({.num_layers = 1,
                                    .width = 2,  // of f32: one tag
                                    .block_tokens = block_tokens,
                                    .num_blocks = num_blocks,
                                    .dtype = DType::kFp32});
  EXPECT_TRUE(cache.ok()) << cache.status();
  return *std::move(cache);
}

std::uint64_t* TaggingModel::Tag(const SequenceBlocks& blocks, std::int64_t position) const {
  return static_cast<std::uint64_t*>(cache_.Layer(0).data) + blocks.Slot(position);
}

void TaggingModel::CheckSlices(absl::Span<const SequenceSlice> slices) const {
  std::set<std::int64_t> written;
  std::set<const SequenceBlocks*> owners;
  bool prompt_seen = false;
  for (const SequenceSlice& slice : slices) {
    EXPECT_FALSE(slice.token_ids.empty());
    EXPECT_FALSE(prompt_seen && slice.generated) << "generated positions come first";
    prompt_seen = prompt_seen || !slice.generated;
    EXPECT_TRUE(owners.insert(slice.blocks).second) << "two slices of one sequence";
    for (std::size_t i = 0; i < slice.token_ids.size(); ++i) {
      const std::int64_t position = slice.start + static_cast<std::int64_t>(i);
      EXPECT_TRUE(written.insert(slice.blocks->Slot(position)).second) << "written twice";
      const auto block =
          slice.blocks->table()[static_cast<std::size_t>(position / cache_.shape().block_tokens)];
      EXPECT_FALSE(cache_.pool().IsShared(block)) << "a write to what others see";
    }
  }
}

void TaggingModel::WriteTags(const SequenceSlice& slice) const {
  std::uint64_t history = 0;
  for (std::int64_t p = 0; p < slice.start; ++p) history = Mix(history, *Tag(*slice.blocks, p));
  for (std::size_t i = 0; i < slice.token_ids.size(); ++i) {
    const std::uint64_t own =
        Mix(static_cast<std::uint64_t>(slice.token_ids[i]), slice.generated ? 2 : 1);
    const std::uint64_t tag = Mix(history, own);
    *Tag(*slice.blocks, slice.start + static_cast<std::int64_t>(i)) = tag;
    history = Mix(history, tag);
  }
}

void TaggingModel::AddLogits(const SequenceSlice& slice) {
  const auto length = static_cast<std::int64_t>(slice.token_ids.size());
  for (std::int64_t i = length - slice.num_logits; i < length; ++i) {
    const std::uint64_t tag = *Tag(*slice.blocks, slice.start + i);
    const bool poisoned = slice.token_ids[static_cast<std::size_t>(i)] == poison_;
    for (std::int64_t v = 0; v < kVocab; ++v) {
      const auto bits = static_cast<float>(Mix(tag, static_cast<std::uint64_t>(v)) >> 40);
      logits_.push_back(poisoned ? std::numeric_limits<float>::quiet_NaN() : bits * 0x1p-22F);
    }
  }
}

std::vector<SequenceSlice> TaggingModel::Resolve(absl::Span<const SequenceSlice> slices) {
  std::vector<SequenceSlice> known(slices.begin(), slices.end());
  if (!slices.front().sampled_token) return known;
  EXPECT_TRUE(looks_ahead_);
  EXPECT_EQ(sampled_ids_.size(), slices.size());
  ++steps_ahead_;
  for (std::size_t i = 0; i < known.size(); ++i) {
    EXPECT_TRUE(known[i].sampled_token && known[i].generated && known[i].num_logits == 1);
    known[i].token_ids = absl::MakeConstSpan(&sampled_ids_[i], 1);
  }
  return known;
}

absl::Status TaggingModel::Forward(absl::Span<const SequenceSlice> asked) {
  const std::vector<SequenceSlice> slices = Resolve(asked);
  CheckSlices(slices);
  if (failures_ > 0) {
    --failures_;
    for (const SequenceSlice& slice : slices) *Tag(*slice.blocks, slice.start) = 0xBAD;
    return failure_;
  }
  logits_.clear();
  Step step{.slices = slices.size()};
  for (const SequenceSlice& slice : slices) {
    WriteTags(slice);
    AddLogits(slice);
    const auto rows = static_cast<std::int64_t>(slice.token_ids.size());
    step.rows += rows;
    step.decode_rows += slice.generated ? rows : 0;
  }
  steps_.push_back(step);
  return absl::OkStatus();
}

absl::StatusOr<MatrixView<const float>> TaggingModel::Logits() {
  const auto rows = static_cast<std::int64_t>(logits_.size()) / kVocab;
  return MatrixView<const float>(logits_.data(), rows, kVocab);
}

absl::Status TaggingModel::StartSample(const SampleStep& step) {
  EXPECT_LT(samplings_.size(), 2U);
  Tokens tokens(step.rows.size());
  SampleStep now = step;
  now.results = absl::MakeSpan(tokens);
  RETURN_IF_ERROR(Sample(now));
  sampled_ids_.clear();
  for (const auto& token : tokens) sampled_ids_.push_back(token.ok() ? token->id : 0);
  samplings_.push_back(std::move(tokens));
  return absl::OkStatus();
}

absl::StatusOr<std::vector<absl::StatusOr<SampledToken>>> TaggingModel::FinishSample() {
  EXPECT_FALSE(samplings_.empty());
  Tokens tokens = std::move(samplings_.front());
  samplings_.pop_front();
  RETURN_IF_ERROR(std::exchange(sampling_failure_, absl::OkStatus()));
  return tokens;
}

absl::Status TaggingModel::Sample(const SampleStep& step) {
  ASSIGN_OR_RETURN(const MatrixView<const float> logits, Logits());
  return sextant::Sample(
      stream_, {.logits = logits.Rows(step.first_row, static_cast<std::int64_t>(step.rows.size())),
                .rows = step.rows,
                .banned_ids = step.banned_ids,
                .results = step.results});
}

}  // namespace sextant
