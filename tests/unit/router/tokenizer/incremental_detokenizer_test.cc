#include "router/tokenizer/incremental_detokenizer.h"

#include <gtest/gtest.h>

#include "tests/golden/tokenizer/golden_tokenizer.h"

namespace sextant {
namespace {

class IncrementalDetokenizerTest : public testing::Test {
 protected:
  // One token for each byte of `bytes`.
  std::vector<Tokenizer::Id> ByteIds(std::string_view bytes) const {
    std::vector<Tokenizer::Id> ids;
    for (const char byte : bytes) ids.push_back(tokenizer_->Encode({&byte, 1}).value().at(0));
    return ids;
  }
  // What each token lets out, and at last the flush.
  std::vector<std::string> Deltas(std::string_view bytes) const {
    IncrementalDetokenizer stream(*tokenizer_);
    std::vector<std::string> deltas;
    for (const Tokenizer::Id id : ByteIds(bytes)) deltas.push_back(stream.Push(id).value().text);
    deltas.push_back(stream.Flush());
    return deltas;
  }

  std::unique_ptr<const Tokenizer> tokenizer_ = GoldenTokenizer();
};

using Texts = std::vector<std::string>;

TEST_F(IncrementalDetokenizerTest, CharactersComeOutWhole) {
  EXPECT_EQ(Deltas("a\xC3\xA9z"), (Texts{"a", "", "é", "z", ""}));
  EXPECT_EQ(Deltas("\xE4\xBD\xA0"), (Texts{"", "", "你", ""}));
  EXPECT_EQ(Deltas("\xF0\x9F\x91\x8B!"), (Texts{"", "", "", "👋", "!", ""}));
}

TEST_F(IncrementalDetokenizerTest, AnUnfinishedCharacterIsReplacedAtTheEnd) {
  EXPECT_EQ(Deltas("a\xE4\xBD"), (Texts{"a", "", "", "\uFFFD"}));
  EXPECT_EQ(Deltas("\xF0\x9F\x91"), (Texts{"", "", "", "\uFFFD"}));
}

TEST_F(IncrementalDetokenizerTest, BytesThatCannotBecomeACharacterAreReplacedAtOnce) {
  EXPECT_EQ(Deltas("\xE4z"), (Texts{"", "\uFFFDz", ""}));
  EXPECT_EQ(Deltas("\x80"), (Texts{"\uFFFD", ""}));
  EXPECT_EQ(Deltas("\xE0\x80"), (Texts{"", "\uFFFD\uFFFD", ""}));  // overlong: two broken parts
  EXPECT_EQ(Deltas("\xE4\xE4\xBD\xA0"), (Texts{"", "\uFFFD", "", "你", ""}));
}

TEST_F(IncrementalDetokenizerTest, AStopStringMayEndInTheMiddleOfATokensText) {
  IncrementalDetokenizer stream(*tokenizer_, {"pert"});
  std::string text;
  bool stopped = false;
  const std::vector<Tokenizer::Id> ids = tokenizer_->Encode("the experts").value();
  for (const Tokenizer::Id id : ids) {
    if (stopped) break;
    const auto delta = stream.Push(id).value();
    text += delta.text;
    stopped = delta.stopped;
  }
  EXPECT_TRUE(stopped);
  EXPECT_EQ(text, "the ex");
}

TEST_F(IncrementalDetokenizerTest, AStopStringOfOneCharacterMatchesAcrossItsBytes) {
  IncrementalDetokenizer stream(*tokenizer_, {"。"});
  std::string text;
  bool stopped = false;
  for (const Tokenizer::Id id : ByteIds("好。不")) {
    if (stopped) break;
    const auto delta = stream.Push(id).value();
    text += delta.text;
    stopped = delta.stopped;
  }
  EXPECT_TRUE(stopped);
  EXPECT_EQ(text, "好");
}

TEST_F(IncrementalDetokenizerTest, AnUnknownIdLeavesTheStreamAsItWas) {
  IncrementalDetokenizer stream(*tokenizer_);
  const std::vector<Tokenizer::Id> ids = ByteIds("é");
  EXPECT_EQ(stream.Push(ids[0]).value().text, "");
  EXPECT_EQ(stream.Push(999'999).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(stream.Push(ids[1]).value().text, "é");
}

}  // namespace
}  // namespace sextant
