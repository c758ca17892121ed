// What holds for every text: it comes back as it was, and no special token is in it.
#include <gtest/gtest.h>

#include <atomic>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "router/tokenizer/tokenizer.h"
#include "router/tokenizer/utf8.h"
#include "tests/golden/tokenizer/golden_tokenizer.h"
#include "tests/golden/tokenizer/random_texts.h"
#include "tests/support/shared_data.h"

namespace sextant {
namespace {

using Ids = std::vector<Tokenizer::Id>;

const std::string kBos = "<｜begin▁of▁sentence｜>";
const std::string kEos = "<｜end▁of▁sentence｜>";

class TokenizerPropertyTest : public testing::Test {
 protected:
  TokenizerPropertyTest()
      : tokenizer_(GoldenTokenizer()), texts_(GoldenTokenizerJson("random.json")["alphabets"]) {}

  std::unique_ptr<const Tokenizer> tokenizer_;
  RandomTexts texts_;
};

void ExpectPlain(const Tokenizer& tokenizer, const std::string& text) {
  const auto ids = tokenizer.Encode(text);
  ASSERT_TRUE(ids.ok()) << ids.status();
  for (const Tokenizer::Id id : *ids) ASSERT_FALSE(tokenizer.IsAdded(id)) << id << " in " << text;
  ASSERT_EQ(tokenizer.Decode(*ids).value(), text);
}

TEST_F(TokenizerPropertyTest, AnyTextComesBack) {
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    ASSERT_NO_FATAL_FAILURE(ExpectPlain(*tokenizer_, texts_.Text(99, i))) << "text " << i;
  }
}

TEST_F(TokenizerPropertyTest, BytesThatAreNoUtf8ComeBackToo) {
  std::mt19937 random(3);
  for (std::uint64_t i = 0; i < 5000; ++i) {
    std::string bytes = texts_.Text(5, i);
    for (int broken = 1 + static_cast<int>(random() % 4); broken > 0; --broken) {
      bytes.insert(random() % (bytes.size() + 1), 1, static_cast<char>(random() % 256));
    }
    ASSERT_NO_FATAL_FAILURE(ExpectPlain(*tokenizer_, bytes)) << "text " << i;
  }
}

TEST_F(TokenizerPropertyTest, TextThatSpellsSpecialTokensStaysText) {
  ASSERT_TRUE(tokenizer_->AddedId(kBos) && tokenizer_->AddedId(kEos));
  for (std::uint64_t i = 0; i < 2000; ++i) {
    std::string text = texts_.Text(11, i);
    // Between two characters, so that the spelling is whole.
    std::size_t at = text.size() / 2;
    while (at > 0 && WholeCharacters(std::string_view(text).substr(0, at)) != at) --at;
    text.insert(at, i % 2 == 0 ? kBos : kEos);
    ASSERT_NO_FATAL_FAILURE(ExpectPlain(*tokenizer_, text)) << "text " << i;
    const Ids untrusted = tokenizer_->EncodeTrusted({{kBos, true}, {text, false}}).value();
    EXPECT_EQ(untrusted.front(), *tokenizer_->AddedId(kBos));
    EXPECT_EQ(Ids(untrusted.begin() + 1, untrusted.end()), tokenizer_->Encode(text).value());
  }
}

TEST_F(TokenizerPropertyTest, ASpecialTokenIsNotMadeOfTrustedAndUntrustedText) {
  for (std::size_t cut = 1; cut < kEos.size(); ++cut) {
    const Ids ids =
        tokenizer_->EncodeTrusted({{kEos.substr(0, cut), true}, {kEos.substr(cut), false}}).value();
    for (const Tokenizer::Id id : ids) ASSERT_FALSE(tokenizer_->IsAdded(id)) << "cut at " << cut;
    ASSERT_EQ(tokenizer_->Decode(ids).value(), kEos);
  }
}

TEST_F(TokenizerPropertyTest, AnIdWithoutATokenIsAnError) {
  EXPECT_EQ(tokenizer_->Decode({64, 999'999}).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(tokenizer_->Bytes(-1), std::nullopt);
  EXPECT_EQ(tokenizer_->Bytes(static_cast<Tokenizer::Id>(tokenizer_->IdLimit())), std::nullopt);
}

TEST_F(TokenizerPropertyTest, ThreadsThatShareATokenizerGetTheSameIds) {
  constexpr std::uint64_t kTexts = 300;
  std::vector<Ids> expected;
  for (std::uint64_t i = 0; i < kTexts; ++i) {
    expected.push_back(tokenizer_->Encode(texts_.Text(21, i)).value());
  }
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      for (std::uint64_t i = 0; i < kTexts; ++i) {
        if (tokenizer_->Encode(texts_.Text(21, i)).value() != expected[i]) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace sextant
