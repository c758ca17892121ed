#include "router/generation/answer.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/golden/tokenizer/golden_tokenizer.h"

namespace sextant::router {
namespace {

class AnswerTest : public ::testing::Test {
 protected:
  // One token for each byte.
  [[nodiscard]] std::vector<std::int32_t> ByteIds(std::string_view bytes) const {
    std::vector<std::int32_t> ids;
    for (const char byte : bytes) ids.push_back(tokenizer_->Encode({&byte, 1}).value().at(0));
    return ids;
  }
  // All pieces joined; ends where the answer does.
  [[nodiscard]] Piece Whole(std::string_view bytes) const {
    Answer answer(request_, 2, tokenizer_.get());
    Piece whole{.index = 2};
    for (const std::int32_t id : ByteIds(bytes)) {
      Append(whole, answer.Take({.id = id}).value());
      if (whole.finish.has_value()) break;
    }
    return whole;
  }

  std::unique_ptr<const Tokenizer> tokenizer_ = GoldenTokenizer();
  AnswerTest() {
    request_.sampling.seed = 40;
    request_.max_tokens = 20;
  }

  PreparedRequest request_;
};

TEST_F(AnswerTest, TheFirstPieceHasTheSeedOfItsAnswer) {
  Answer answer(request_, 2, tokenizer_.get());
  EXPECT_EQ(answer.Take({.id = ByteIds("a")[0]})->seed, 42U);
  EXPECT_FALSE(answer.Take({.id = ByteIds("b")[0]})->seed.has_value());
}

TEST_F(AnswerTest, ItEndsAtMaxTokensWithWhatWasHeldBack) {
  request_.max_tokens = 3;
  request_.stop_texts = {"bcd"};
  const Piece whole = Whole("abc");
  EXPECT_EQ(whole.text, "abc");
  EXPECT_EQ(whole.finish, Finish::kLength);
  EXPECT_EQ(Whole("ab").text, "a");
}

TEST_F(AnswerTest, AStopTextEndsItAcrossTokensAndIsLeftOut) {
  request_.stop_texts = {"END", "é!"};
  Piece whole = Whole("the ENd, the END of it");
  EXPECT_EQ(whole.text, "the ENd, the ");
  EXPECT_EQ(whole.finish, Finish::kStop);
  EXPECT_EQ(whole.ids.size(), 16U);
  whole = Whole("caf\xC3\xA9!?");
  EXPECT_EQ(whole.text, "caf");
  EXPECT_EQ(whole.finish, Finish::kStop);
}

TEST_F(AnswerTest, TheEndTokenIsReportedAndHasNoText) {
  Answer answer(request_, 0, tokenizer_.get());
  const Piece first = answer.Take({.id = ByteIds("a")[0]}).value();
  const Piece last = answer.Take({.id = 1201, .finished = true, .stopped = true}).value();
  EXPECT_EQ(first.text, "a");
  EXPECT_EQ(last.text, "");
  EXPECT_EQ(last.ids, std::vector<std::int32_t>{1201});
  EXPECT_EQ(last.finish, Finish::kStop);
}

TEST_F(AnswerTest, LogprobsComeWithTheBytesOfTheLikelyTokens) {
  request_.sampling.logprobs = 2;
  Answer answer(request_, 0, tokenizer_.get());
  const std::vector<std::int32_t> ids = ByteIds("a\xC3");
  const Piece piece =
      answer
          .Take({.id = ids[0],
                 .logprobs =
                     TokenLogprobs{.logprob = -0.5F, .top = {{ids[0], -0.5F}, {ids[1], -1.5F}}}})
          .value();
  ASSERT_EQ(piece.logprobs.size(), 1U);
  EXPECT_EQ(piece.logprobs[0].logprob, -0.5F);
  ASSERT_EQ(piece.logprobs[0].top.size(), 2U);
  EXPECT_EQ(piece.logprobs[0].top[0].bytes, "a");
  EXPECT_EQ(piece.logprobs[0].top[1].bytes, "\xC3");
  EXPECT_EQ(piece.logprobs[0].top[1].logprob, -1.5F);
}

TEST_F(AnswerTest, AnIdWithoutATokenIsTheWorkersFault) {
  Answer answer(request_, 0, tokenizer_.get());
  EXPECT_EQ(answer.Take({.id = 100'000}).status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(answer.Take({.id = -1}).status().code(), absl::StatusCode::kInternal);
}

TEST_F(AnswerTest, WithoutATokenizerThereAreIdsAlone) {
  Answer answer(request_, 0, nullptr);
  const Piece piece = answer.Take({.id = 5, .finished = true}).value();
  EXPECT_EQ(piece.text, "");
  EXPECT_EQ(piece.ids, std::vector<std::int32_t>{5});
  EXPECT_EQ(piece.finish, Finish::kLength);
}

}  // namespace
}  // namespace sextant::router
