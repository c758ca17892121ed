#include "attention_worker/device/step_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <numeric>
#include <vector>

#include "kernels/mla/mla_decode_cuda.h"

namespace sextant {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::int64_t kBlockTokens = 4;
constexpr std::int64_t kPositions = 4096;

// Sequences with blocks, and slices of them.
class StepRowsTest : public testing::Test {
 protected:
  StepRowsTest()
      : cache_(*LatentCache::Create({.num_layers = 1,
                                     .width = 1,
                                     .block_tokens = kBlockTokens,
                                     .num_blocks = 8192,
                                     .dtype = DType::kBf16})) {
    ids_.resize(kPositions);
    std::iota(ids_.begin(), ids_.end(), 0);
  }

  SequenceSlice Slice(bool generated, std::int64_t start, std::int64_t rows,
                      std::int64_t num_logits) {
    sequences_.push_back(std::make_unique<SequenceBlocks>(*cache_));
    EXPECT_TRUE(sequences_.back()->PrepareWrite(0, start + rows).ok());
    return {.token_ids = absl::MakeConstSpan(ids_).subspan(static_cast<std::size_t>(start),
                                                           static_cast<std::size_t>(rows)),
            .start = start,
            .generated = generated,
            .blocks = sequences_.back().get(),
            .num_logits = num_logits};
  }
  SequenceSlice Decoding(std::int64_t position) { return Slice(true, position, 1, 1); }
  SequenceSlice Replaying(std::int64_t start, std::int64_t rows) {
    return Slice(true, start, rows, 1);
  }
  SequenceSlice Prompt(std::int64_t start, std::int64_t rows, std::int64_t num_logits) {
    return Slice(false, start, rows, num_logits);
  }

  StepSizes sizes_ = {.rows = 64,
                      .decode_rows = 8,
                      .logit_rows = 16,
                      .max_blocks = kPositions / kBlockTokens,
                      .span_keys = 64,
                      .many_spans = true,
                      .max_splits = 8};
  std::unique_ptr<LatentCache> cache_;
  std::vector<std::unique_ptr<SequenceBlocks>> sequences_;
  std::vector<std::int32_t> ids_;
};

TEST_F(StepRowsTest, APlainDecodeStepIsOnePass) {
  const std::vector<SequenceSlice> slices = {Decoding(9), Decoding(0), Decoding(511)};
  const StepRows step = *PlanStepRows(slices, sizes_, kPositions);
  EXPECT_TRUE(step.is_plain_decode());
  EXPECT_THAT(step.positions, ElementsAre(9, 0, 511));
  EXPECT_THAT(step.lengths, ElementsAre(10, 1, 512));
  EXPECT_THAT(step.logit_rows, ElementsAre(0, 1, 2));
  EXPECT_THAT(step.decode, ElementsAre(DecodePass{.first_row = 0, .rows = 3, .first_table = 0}));
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(step.slots[i], slices[i].blocks->Slot(step.positions[i]));
    EXPECT_EQ(step.tables[i], slices[i].blocks->table());
  }
}

TEST_F(StepRowsTest, RowsOfAReplayShareATable) {
  const StepRows step =
      *PlanStepRows({{Decoding(3), Replaying(20, 5), Decoding(7), Decoding(8), Prompt(0, 6, 1)}},
                    sizes_, kPositions);
  EXPECT_FALSE(step.is_plain_decode());
  EXPECT_THAT(
      step.decode,
      ElementsAre(DecodePass{.first_row = 0, .rows = 1, .first_table = 0},
                  DecodePass{.first_row = 1, .rows = 5, .first_table = 1, .one_table = true},
                  DecodePass{.first_row = 6, .rows = 2, .first_table = 2}));
  EXPECT_THAT(
      step.prompts,
      ElementsAre(PromptPass{.first_row = 8, .rows = 6, .table = 4, .start = 0, .num_logits = 1}));
  EXPECT_THAT(step.logit_rows, ElementsAre(0, 5, 6, 7, 13));
  EXPECT_THAT(step.lengths, ElementsAre(4, 21, 22, 23, 24, 25, 8, 9));
}

TEST_F(StepRowsTest, TwoReplaysAreTwoPasses) {
  const StepRows step = *PlanStepRows({{Replaying(20, 2), Replaying(30, 2)}}, sizes_, kPositions);
  EXPECT_THAT(
      step.decode,
      ElementsAre(DecodePass{.first_row = 0, .rows = 2, .first_table = 0, .one_table = true},
                  DecodePass{.first_row = 2, .rows = 2, .first_table = 1, .one_table = true}));
}

TEST_F(StepRowsTest, APassHoldsWhatTheWorkspacesDo) {
  const StepRows by_rows = *PlanStepRows({{Replaying(0, 20)}}, sizes_, kPositions);
  ASSERT_EQ(by_rows.decode.size(), 3U);
  EXPECT_EQ(by_rows.decode[1].first_row, 8);
  EXPECT_EQ(by_rows.decode[2].rows, 4);

  // Three splits each: two rows have six of eight.
  const std::int64_t far = 2 * kDecodeSplitCuda;
  const StepRows by_splits =
      *PlanStepRows({{Decoding(far), Decoding(far), Decoding(far)}}, sizes_, kPositions);
  EXPECT_THAT(by_splits.decode,
              ElementsAre(DecodePass{.first_row = 0, .rows = 2, .first_table = 0},
                          DecodePass{.first_row = 2, .rows = 1, .first_table = 2}));
  EXPECT_FALSE(by_splits.is_plain_decode());
}

TEST_F(StepRowsTest, APromptWithoutLogitsHasNone) {
  const StepRows step = *PlanStepRows({{Prompt(4, 3, 0), Prompt(0, 2, 2)}}, sizes_, kPositions);
  EXPECT_THAT(step.logit_rows, ElementsAre(3, 4));
  EXPECT_TRUE(step.decode.empty());
}

TEST_F(StepRowsTest, RefusesWhatDoesNotFit) {
  const auto message = [&](const std::vector<SequenceSlice>& slices) {
    const auto step = PlanStepRows(slices, sizes_, kPositions);
    EXPECT_EQ(step.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(step.status().message());
  };
  EXPECT_THAT(message({Prompt(0, 65, 1)}), HasSubstr("65 rows; this engine was made for 64"));
  EXPECT_THAT(message({Prompt(0, 17, 17)}), HasSubstr("17 rows of logits"));
  std::vector<SequenceSlice> many;
  for (int i = 0; i < 9; ++i) many.push_back(Prompt(0, 1, 1));
  EXPECT_THAT(message(many), HasSubstr("9 sequences"));
  const SequenceSlice last = Prompt(kPositions - 1, 1, 1);
  EXPECT_TRUE(PlanStepRows({last}, sizes_, kPositions).ok());
  const auto beyond = PlanStepRows({last}, sizes_, kPositions - 1);
  EXPECT_THAT(std::string(beyond.status().message()), HasSubstr("position 4095 is beyond"));
}

}  // namespace
}  // namespace sextant
