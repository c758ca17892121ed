#include "kernels/embedding/embedding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "common/tensor/float_types.h"

namespace sextant {
namespace {

using ::testing::HasSubstr;

class EmbeddingTest : public ::testing::Test {
 protected:
  ThreadPool pool_{2};
  Stream stream_{Backend::kReference, pool_};
};

TEST_F(EmbeddingTest, RowsOfAnUnalignedBf16TableAreUpcast) {
  constexpr std::int64_t kVocab = 50;
  constexpr std::int64_t kHidden = 9;
  std::vector<Bf16> values;
  for (int i = 0; i < kVocab * kHidden; ++i) values.push_back(ToBf16(static_cast<float>(i) / 8));
  std::vector<char> file(values.size() * sizeof(Bf16) + 1);
  std::memcpy(file.data() + 1, values.data(), values.size() * sizeof(Bf16));
  std::vector<std::int32_t> ids;
  for (int i = 0; i < 200; ++i) ids.push_back(i * 7 % 50);
  std::vector<float> rows(ids.size() * kHidden);
  ASSERT_TRUE(Embedding(stream_, {.table = {file.data() + 1, DType::kBf16, kVocab, kHidden},
                                  .ids = ids,
                                  .rows = {rows.data(), 200, kHidden}})
                  .ok());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::size_t at = static_cast<std::size_t>(ids[i / kHidden]) * kHidden + i % kHidden;
    ASSERT_EQ(rows[i], ToFloat(values[at])) << i;
  }
}

TEST_F(EmbeddingTest, AnF32TableIsRoundedUnderBf16Only) {
  const std::vector<float> table = {0.1F, 0.2F, 0.3F, 0.4F};
  const std::vector<std::int32_t> ids = {1};
  std::vector<float> row(2);
  EmbeddingArgs args = {.table = {table.data(), DType::kFp32, 2, 2},
                        .ids = ids,
                        .precision = Precision::kFp32,
                        .rows = {row.data(), 1, 2}};
  ASSERT_TRUE(Embedding(stream_, args).ok());
  EXPECT_THAT(row, testing::ElementsAre(0.3F, 0.4F));
  args.precision = Precision::kBf16;
  ASSERT_TRUE(Embedding(stream_, args).ok());
  EXPECT_THAT(row, testing::ElementsAre(RoundToBf16(0.3F), RoundToBf16(0.4F)));
}

TEST_F(EmbeddingTest, AnIdOutsideTheVocabularyIsNamed) {
  const std::vector<float> table(8, 1.0F);
  std::vector<float> rows(4, -1.0F);
  for (const std::int32_t bad : {-1, 4}) {
    const std::vector<std::int32_t> ids = {0, bad};
    const absl::Status status = Embedding(
        stream_,
        {.table = {table.data(), DType::kFp32, 4, 2}, .ids = ids, .rows = {rows.data(), 2, 2}});
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("id " + std::to_string(bad) + " at position 1"));
  }
  EXPECT_THAT(rows, testing::Each(-1.0F));
}

}  // namespace
}  // namespace sextant
