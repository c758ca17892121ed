// What a tokenizer.json may say: one change to a sound file, and the error that it must give.
#include "router/tokenizer/tokenizer_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "router/tokenizer/tokenizer.h"
#include "tests/golden/tokenizer/golden_tokenizer.h"
#include "tests/support/message_of.h"

namespace sextant {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class TokenizerJsonTest : public testing::Test {
 protected:
  // The golden file with the value at `pointer` replaced, or added.
  json With(const std::string& pointer, const json& value) const {
    json changed = golden_;
    changed[json::json_pointer(pointer)] = value;
    return changed;
  }
  static absl::Status Read(const json& file) { return ReadTokenizerJson(file.dump()).status(); }

  const json golden_ = GoldenTokenizerJson("tokenizer.json");
};

TEST_F(TokenizerJsonTest, WhatItCannotReproduceIsRefusedByName) {
  struct Case {
    std::string pointer;
    json value;
    std::string message;
  };
  const std::vector<Case> cases = {
      {"/version", "2.0", "\"2.0\", not \"1.0\""},
      {"/novelty", 1, "novelty"},
      {"/truncation", {{"max_length", 5}}, "truncation: only null"},
      {"/padding", json::object(), "padding: only null"},
      {"/normalizer", {{"type", "NFC"}}, "the normalizer \"NFC\" is not supported"},
      {"/normalizer/normalizers", {{{"type", "Lowercase"}}}, "\"Lowercase\""},
      {"/post_processor", {{"type", "TemplateProcessing"}}, "\"TemplateProcessing\""},
      {"/decoder", nullptr, "decoder"},
      {"/decoder", {{"type", "Metaspace"}}, "\"Metaspace\""},
      {"/pre_tokenizer", {{"type", "Whitespace"}}, "\"Whitespace\""},
      {"/pre_tokenizer/pretokenizers/6", {{"type", "Digits"}}, "must end with ByteLevel"},
      {"/pre_tokenizer/pretokenizers/6/add_prefix_space", true, "\"add_prefix_space\" is only"},
      {"/pre_tokenizer/pretokenizers/6/use_regex", true, "\"use_regex\" is only"},
      {"/pre_tokenizer/pretokenizers/0/type", "ByteLevel", "pretokenizers[0]"},
      {"/pre_tokenizer/pretokenizers/0/behavior", "Removed", "\"Removed\" is not supported"},
      {"/pre_tokenizer/pretokenizers/0/invert", true, "\"invert\" is only supported as false"},
      {"/pre_tokenizer/pretokenizers/0/pattern", {{"String", "a"}}, "String"},
      {"/pre_tokenizer/pretokenizers/0/pattern/Regex", "a**", "a repetition of a repetition"},
      {"/pre_tokenizer/pretokenizers/0/pattern/Regex", "(a", "a group is not closed"},
      {"/pre_tokenizer/pretokenizers/0/pattern/Regex", "\\bword", "this escape is not supported"},
      {"/pre_tokenizer/pretokenizers/0/pattern/Regex", "[a&&b]", "'&&'"},
      {"/pre_tokenizer/pretokenizers/0/pattern/Regex", "(?:a*|b)", "can match the empty text"},
      {"/pre_tokenizer/pretokenizers/0/pattern/Regex", "[z-a]", "a range must run from"},
      {"/added_tokens/0/lstrip", true, "\"lstrip\" is only supported as false"},
      {"/added_tokens/0/content", "", "the content is empty"},
      {"/added_tokens/0/id", -1, "added_tokens[0].id"},
      {"/added_tokens/1/content", golden_["added_tokens"][0]["content"], "has this content"},
      {"/added_tokens/0/id", 64, "64"},
      {"/model/type", "Unigram", "\"Unigram\" is not supported, only \"BPE\""},
      {"/model/dropout", 0.1, "dropout"},
      {"/model/byte_fallback", true, "byte_fallback"},
      {"/model/ignore_merges", true, "ignore_merges"},
      {"/model/continuing_subword_prefix", "##", "continuing_subword_prefix"},
      {"/model/vocab/ab", 64, "64"},
      {"/model/vocab/ab", "64", "is no whole number"},
      {"/model/vocab/ab", 1 << 20, "model.vocab"},
      {"/model/merges/0", "a", "a merge must be"},
      {"/model/merges/0", "a b c", "a merge must be"},
      {"/model/merges/0", json::array({"a", 1}), "a merge must be"},
      {"/model/merges/0", "a qqq", "\"qqq\" is not in the vocabulary"},
      {"/model/merges/1", golden_["model"]["merges"][0], "an earlier merge joins the same"},
  };
  for (const Case& c : cases) {
    const absl::Status status = Read(With(c.pointer, c.value));
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.pointer << " " << c.value;
    EXPECT_THAT(MessageOf(status), HasSubstr(c.message)) << c.pointer << " " << c.value;
  }
  EXPECT_TRUE(Read(golden_).ok()) << Read(golden_);
}

TEST_F(TokenizerJsonTest, MergesMayBePairs) {
  json pairs = golden_;
  for (json& merge : pairs["model"]["merges"]) {
    const auto text = merge.get<std::string>();
    merge = {text.substr(0, text.find(' ')), text.substr(text.find(' ') + 1)};
  }
  const auto read = Tokenizer::FromJson(pairs.dump());
  ASSERT_TRUE(read.ok()) << read.status();
  const std::string text = "the experts of the router\n";
  EXPECT_EQ((*read)->Encode(text).value(), GoldenTokenizer()->Encode(text).value());
}

TEST_F(TokenizerJsonTest, TheTokensOfBytesMustBeThere) {
  json file = golden_;
  file["model"]["vocab"].erase("a");
  file["model"]["merges"] = json::array();
  EXPECT_THAT(MessageOf(Read(file)), HasSubstr("no token for the byte 0x61"));
}

TEST_F(TokenizerJsonTest, NoMergeMakesASpecialToken) {
  json file = golden_;
  file["model"]["vocab"]["<s>"] = 5000;
  file["model"]["vocab"]["<s"] = 5001;
  file["model"]["merges"] = {"< s", "<s >"};
  EXPECT_TRUE(Read(file).ok()) << Read(file);
  file["added_tokens"].push_back({{"id", 5000}, {"content", "<s>"}, {"special", true}});
  EXPECT_THAT(MessageOf(Read(file)), HasSubstr("makes an added token out of text"));
}

TEST_F(TokenizerJsonTest, TextThatIsNoJsonNamesThePlace) {
  EXPECT_THAT(MessageOf(ReadTokenizerJson("{\"version\": ")), HasSubstr("line 1"));
  EXPECT_THAT(MessageOf(ReadTokenizerJson("[]")), HasSubstr("an object is wanted"));
}

}  // namespace
}  // namespace sextant
