#include "expert_worker/dispatch/merged_batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/expert_worker/dispatch/fake_source.h"

namespace sextant {
namespace {

using ::testing::ElementsAre;

DispatchHeader Header(std::uint64_t dispatch, std::int32_t rows, std::vector<RowExpert> pairs,
                      DType type = DType::kBf16) {
  return {.dispatch = dispatch,
          .epoch = 1,
          .layer = 2,
          .num_rows = rows,
          .hidden = 3,
          .type = type,
          .pairs = std::move(pairs)};
}

// What an expert would do: 100 x expert + the row's value, which f32 holds and bf16 may not.
void Compute(const ExpertBatch& batch) {
  std::int64_t output = 0;
  for (const ExpertRowGroup& group : batch.groups) {
    for (const std::int32_t row : group.rows) {
      for (std::int64_t i = 0; i < batch.rows.cols; ++i) {
        batch.outputs.Row(output)[i] =
            static_cast<float>(100 * group.expert) + batch.rows.Row(row)[i];
      }
      ++output;
    }
  }
  ASSERT_EQ(output, batch.outputs.rows);
}

TEST(MergedBatchTest, FramesAreGroupedByExpertAcrossEachOther) {
  SomeDispatch one(Header(7, 2, {{0, 5}, {0, 1}, {1, 5}}, DType::kFp32), 10.0F);
  SomeDispatch two(Header(9, 1, {{0, 0}, {0, 5}}, DType::kFp32), 20.0F);
  DispatchFrame* frames[] = {&one.parsed, &two.parsed};
  MergedBatch merged;
  const ExpertBatch& batch = merged.Build(frames, 6);
  EXPECT_EQ(batch.layer, 2);
  EXPECT_EQ(batch.rows.rows, 3);
  ASSERT_EQ(batch.groups.size(), 3U);
  EXPECT_EQ(batch.groups[0].expert, 0);
  EXPECT_THAT(batch.groups[0].rows, ElementsAre(2));
  EXPECT_EQ(batch.groups[1].expert, 1);
  EXPECT_THAT(batch.groups[1].rows, ElementsAre(0));
  EXPECT_EQ(batch.groups[2].expert, 5);
  EXPECT_THAT(batch.groups[2].rows, ElementsAre(0, 1, 2));

  Compute(batch);
  std::uint64_t dispatch = 0;
  EXPECT_THAT(ReadAnswer(merged.Answer(0), &dispatch).rows,
              ElementsAre(510, 510, 510, 110, 110, 110, 511, 511, 511));
  EXPECT_EQ(dispatch, 7U);
  EXPECT_THAT(ReadAnswer(merged.Answer(1), &dispatch).rows, ElementsAre(20, 20, 20, 520, 520, 520));
  EXPECT_EQ(dispatch, 9U);
}

TEST(MergedBatchTest, AnswersKeepTheOrderOfTheirPairsAndNothingIsLeftFromBefore) {
  MergedBatch merged;
  for (const std::int32_t rows : {40, 1, 0, 7}) {
    std::vector<RowExpert> pairs;
    for (std::int32_t row = 0; row < rows; ++row) {
      pairs.push_back({static_cast<std::uint16_t>(row), static_cast<std::uint16_t>(3 - row % 4)});
      pairs.push_back({static_cast<std::uint16_t>(row), static_cast<std::uint16_t>(row % 4)});
    }
    SomeDispatch one(Header(1, rows, pairs, DType::kFp32), 1.0F);
    DispatchFrame* frames[] = {&one.parsed};
    Compute(merged.Build(frames, 4));
    const SomeAnswer answer = ReadAnswer(merged.Answer(0));
    ASSERT_EQ(answer.rows.size(), pairs.size() * 3);
    for (std::size_t p = 0; p < pairs.size(); ++p) {
      const float expected = 100.0F * pairs[p].expert + 1.0F + pairs[p].row;
      for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(answer.rows[p * 3 + i], expected);
    }
  }
}

}  // namespace
}  // namespace sextant
