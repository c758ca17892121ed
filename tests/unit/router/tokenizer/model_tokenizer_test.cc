// A model's folder as far as text is concerned.
#include "router/tokenizer/model_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/golden/tokenizer/golden_tokenizer.h"
#include "tests/support/message_of.h"
#include "tests/support/temp_dir.h"

namespace sextant {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class ModelTokenizerTest : public testing::Test {
 protected:
  ModelTokenizerTest() {
    std::filesystem::copy_file(GoldenTokenizerDir() + "/tokenizer.json",
                               dir_.File("tokenizer.json"));
  }
  // Loads the folder with the golden tokenizer_config.json, changed by `changes`.
  absl::StatusOr<std::unique_ptr<const ModelTokenizer>> LoadWith(const json& changes) const {
    json config = GoldenTokenizerJson("tokenizer_config.json");
    config.merge_patch(changes);
    dir_.Write("tokenizer_config.json", config.dump());
    return ModelTokenizer::Load(dir_.path());
  }

  const TempDir dir_;
};

TEST_F(ModelTokenizerTest, APromptBeginsWithBosWhereTheConfigurationSaysSo) {
  const auto with = LoadWith(json::object());
  ASSERT_TRUE(with.ok()) << with.status();
  EXPECT_EQ((*with)->EncodePrompt("").value(),
            std::vector<Tokenizer::Id>{(*with)->bos_id().value()});
  const auto without = LoadWith({{"add_bos_token", false}});
  ASSERT_TRUE(without.ok()) << without.status();
  EXPECT_EQ((*without)->EncodePrompt("").value(), std::vector<Tokenizer::Id>{});
}

TEST_F(ModelTokenizerTest, BothSpellingsOfATokenAreRead) {
  const auto model = LoadWith({{"bos_token", "<｜begin▁of▁sentence｜>"},
                               {"eos_token", {{"content", "<｜end▁of▁sentence｜>"}}}});
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->bos_id(), 1200);
  EXPECT_EQ((*model)->eos_id(), 1201);
}

TEST_F(ModelTokenizerTest, ALimitOfNoneIsNone) {
  EXPECT_EQ(LoadWith(json::object()).value()->model_max_length(), 4096);
  EXPECT_EQ(LoadWith({{"model_max_length", 1e30}}).value()->model_max_length(), std::nullopt);
}

TEST_F(ModelTokenizerTest, IdsWithoutATokenAreMarked) {
  const auto model = LoadWith(json::object());
  ASSERT_TRUE(model.ok()) << model.status();
  const std::vector<bool> valid = (*model)->ValidIds(1300).value();
  EXPECT_EQ(valid.size(), 1300U);
  EXPECT_TRUE(valid[0] && valid[1201]);
  EXPECT_FALSE(valid[1202] || valid[1299]);
  EXPECT_THAT(MessageOf((*model)->ValidIds(1201)), HasSubstr("vocab_size 1201"));
}

TEST_F(ModelTokenizerTest, WhatTheConfigurationCannotMeanIsNamed) {
  const std::vector<std::pair<json, std::string>> cases = {
      {{{"add_eos_token", true}}, "\"add_eos_token\" is only supported as false"},
      {{{"add_bos_token", 1}}, "add_bos_token"},
      {{{"bos_token", nullptr}}, "add_bos_token is true, but there is no bos_token"},
      {{{"bos_token", "<none>"}}, "\"<none>\" is not among the added_tokens"},
      {{{"model_max_length", -5}}, "model_max_length"},
      {{{"chat_template", "{{ 1 "}}, "chat_template"},
      {{{"chat_template", json::array({{{"name", "tool_use"}, {"template", ""}}})}},
       "no template of the list is named \"default\""},
  };
  for (const auto& [changes, message] : cases) {
    const auto model = LoadWith(changes);
    EXPECT_EQ(model.status().code(), absl::StatusCode::kInvalidArgument) << changes;
    EXPECT_THAT(MessageOf(model), HasSubstr(message)) << changes;
    EXPECT_THAT(MessageOf(model), HasSubstr(dir_.File("tokenizer_config.json"))) << changes;
  }
}

TEST_F(ModelTokenizerTest, AbsentFilesAreNamed) {
  EXPECT_THAT(MessageOf(ModelTokenizer::Load(dir_.path())), HasSubstr("tokenizer_config.json"));
  EXPECT_THAT(MessageOf(ModelTokenizer::Load(dir_.File("none"))), HasSubstr("tokenizer.json"));
}

TEST_F(ModelTokenizerTest, AChatNeedsATemplateAndMessages) {
  const auto plain = LoadWith({{"chat_template", nullptr}});
  ASSERT_TRUE(plain.ok()) << plain.status();
  EXPECT_EQ((*plain)->EncodeChat(json::array()).status().code(),
            absl::StatusCode::kFailedPrecondition);
  const auto model = LoadWith(json::object());
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_THAT(MessageOf((*model)->EncodeChat({{"role", "user"}})), HasSubstr("must be an array"));
  EXPECT_THAT(MessageOf((*model)->EncodeChat({{{"content", "no role"}}})),
              HasSubstr("messages[0]"));
  EXPECT_THAT(MessageOf((*model)->EncodeChat({{{"role", "user"}, {"content", 5}}})),
              HasSubstr("the chat template: line 1"));
}

}  // namespace
}  // namespace sextant
