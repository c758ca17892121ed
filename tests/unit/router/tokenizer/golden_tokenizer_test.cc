// Text and chats against what `tokenizers` and Jinja2 made of them, and random text of all Unicode.
#include "tests/golden/tokenizer/golden_tokenizer.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "router/tokenizer/incremental_detokenizer.h"
#include "router/tokenizer/model_tokenizer.h"
#include "router/tokenizer/tokenizer.h"
#include "router/tokenizer/utf8.h"
#include "tests/golden/tokenizer/random_texts.h"
#include "tests/support/shared_data.h"

namespace sextant {
namespace {

using Ids = std::vector<Tokenizer::Id>;

// FNV-1a over the ids, four bytes each, as hexadecimal digits.
std::string Hash(const Ids& ids) {
  std::uint32_t hash = 0x811C9DC5U;
  for (const Tokenizer::Id id : ids) {
    for (unsigned shift = 0; shift < 32; shift += 8) {
      hash = (hash ^ ((static_cast<std::uint32_t>(id) >> shift) & 0xFFU)) * 0x01000193U;
    }
  }
  char text[9];
  std::snprintf(text, sizeof(text), "%08x", hash);
  return text;
}

void ExpectStreamsBack(const Tokenizer& tokenizer, const Ids& ids, const std::string& text) {
  IncrementalDetokenizer stream(tokenizer);
  std::string streamed;
  for (const Tokenizer::Id id : ids) {
    const std::string delta = stream.Push(id).value().text;
    ASSERT_EQ(WholeCharacters(delta), delta.size()) << "a character is split";
    streamed += delta;
  }
  EXPECT_EQ(streamed + stream.Flush(), text);
}

// Each text of random.json has the ids that `tokenizers` gave it, and they give the text back.
void ExpectRandomTextsAgree(const Tokenizer& tokenizer, const std::string& goldens) {
  const nlohmann::json random = GoldenTokenizerJson("random.json");
  const RandomTexts texts(random["alphabets"]);
  const auto hashes = random[goldens].get<std::string>();
  const auto seed = random["seed"].get<std::uint64_t>();
  ASSERT_EQ(hashes.size(), 8 * random["count"].get<std::size_t>());
  ASSERT_GE(hashes.size(), 8 * 3000U);
  int wrong = 0;
  for (std::size_t i = 0; i * 8 < hashes.size() && wrong < 5; ++i) {
    const std::string text = texts.Text(seed, i);
    const auto ids = tokenizer.Encode(text);
    ASSERT_TRUE(ids.ok()) << ids.status();
    if (Hash(*ids) != hashes.substr(8 * i, 8)) {
      ADD_FAILURE() << "text " << i << ": " << nlohmann::json(text).dump(-1, ' ', true) << " gives "
                    << nlohmann::json(*ids).dump();
      ++wrong;
    }
    ASSERT_EQ(tokenizer.Decode(*ids).value(), text) << "text " << i;
    ASSERT_NO_FATAL_FAILURE(ExpectStreamsBack(tokenizer, *ids, text)) << "text " << i;
  }
}

TEST(GoldenTokenizerTest, TextsGetTheIdsOfTheTokenizersLibrary) {
  const auto tokenizer = GoldenTokenizer();
  ASSERT_NE(tokenizer, nullptr);
  const nlohmann::json cases = GoldenTokenizerJson("cases.json")["texts"];
  ASSERT_GE(cases.size(), 60U);
  for (const auto& golden : cases) {
    const auto text = golden["text"].get<std::string>();
    EXPECT_EQ(tokenizer->Encode(text).value(), golden["ids"].get<Ids>()) << text;
  }
}

TEST(GoldenTokenizerTest, ChatsGetTheIdsOfTheirRenderedTemplate) {
  const auto model = ModelTokenizer::Load(GoldenTokenizerDir());
  ASSERT_TRUE(model.ok()) << model.status();
  const nlohmann::json cases = GoldenTokenizerJson("cases.json")["chats"];
  ASSERT_GE(cases.size(), 10U);
  for (const auto& golden : cases) {
    const auto ids =
        (*model)->EncodeChat(golden["messages"], golden["add_generation_prompt"].get<bool>());
    ASSERT_TRUE(ids.ok()) << ids.status();
    EXPECT_EQ(*ids, golden["ids"].get<Ids>()) << golden["text"];
    EXPECT_EQ((*model)->tokenizer().Decode(*ids).value(), golden["text"].get<std::string>());
  }
}

TEST(GoldenTokenizerTest, RandomTextsAgree) {
  const auto tokenizer = GoldenTokenizer();
  ASSERT_NE(tokenizer, nullptr);
  ExpectRandomTextsAgree(*tokenizer, "own");
}

TEST(GoldenTokenizerTest, RandomTextsAgreeWithARegularExpression) {
  const auto tokenizer = GoldenRegexTokenizer();
  ASSERT_NE(tokenizer, nullptr);
  ExpectRandomTextsAgree(*tokenizer, "one_expression");
}

TEST(GoldenTokenizerTest, RandomTextsAgreeWithThePublishedVocabulary) {
  const std::string path = SharedData("model/tokenizer.json");
  SEXTANT_SKIP_WITHOUT_SHARED(path);
  const auto tokenizer = LoadTokenizer(path);
  ASSERT_NE(tokenizer, nullptr);
  ExpectRandomTextsAgree(*tokenizer, "published");
}

}  // namespace
}  // namespace sextant
