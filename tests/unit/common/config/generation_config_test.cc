#include "common/config/generation_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/message_of.h"
#include "tests/support/shared_data.h"
#include "tests/support/temp_dir.h"

namespace sextant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

ModelConfig Model() {
  ModelConfig model;
  model.vocab_size = 100;
  model.eos_token_ids = {7};
  return model;
}

absl::StatusOr<GenerationConfig> Parse(const char* text) {
  return ParseGenerationConfig(text, "g.json", Model());
}

TEST(GenerationConfig, ReadsSamplingAndEndTokens) {
  const auto config = Parse(R"({"do_sample": true, "temperature": 0.3, "top_p": 0.95, "top_k": 50,
    "min_p": 0.1, "repetition_penalty": 1.05, "eos_token_id": [1, 2], "transformers_version": "4"})");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->sampling.temperature, 0.3F);
  EXPECT_EQ(config->sampling.top_p, 0.95F);
  EXPECT_EQ(config->sampling.top_k, 50);
  EXPECT_EQ(config->sampling.min_p, 0.1F);
  EXPECT_EQ(config->sampling.repetition_penalty, 1.05F);
  EXPECT_THAT(config->eos_token_ids, ElementsAre(1, 2));
  EXPECT_TRUE(Validate(config->sampling, 100).ok());
}

TEST(GenerationConfig, WithoutSamplingItIsGreedy) {
  const auto config = Parse(R"({"temperature": 0.7, "top_k": null})");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->sampling.temperature, 0.0F);
  EXPECT_EQ(config->sampling.top_k, 0);
  EXPECT_THAT(config->eos_token_ids, ElementsAre(7));
}

TEST(GenerationConfig, ValuesOutOfRangeAreNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"do_sample": 1})", "do_sample must be true or false"},
      {R"({"temperature": -1})", "temperature must be a number from 0"},
      {R"({"temperature": "hot"})", "temperature must be a number"},
      {R"({"top_p": 0})", "top_p must be"},
      {R"({"top_p": 1.5})", "top_p must be"},
      {R"({"top_k": -2})", "top_k must be an integer"},
      {R"({"top_k": 3000000000})", "top_k must be an integer"},
      {R"({"min_p": 2})", "min_p must be"},
      {R"({"repetition_penalty": 0})", "repetition_penalty must be"},
      {R"({"eos_token_id": 100})", "eos_token_id must be an integer from 0 to 99"},
      {R"({"eos_token_id": [1, "x"]})", "eos_token_id must be an integer"},
  };
  for (const auto& [text, message] : cases) {
    EXPECT_THAT(MessageOf(Parse(text)), HasSubstr(std::string("g.json: ") + message));
  }
}

TEST(GenerationConfig, TheFileMayBeAbsent) {
  const TempDir dir;
  EXPECT_TRUE(ReadGenerationConfig(dir.path(), Model()).ok());
  dir.Write("generation_config.json", "{");
  EXPECT_THAT(MessageOf(ReadGenerationConfig(dir.path(), Model())),
              HasSubstr("generation_config.json: is not valid JSON"));
}

TEST(GenerationConfig, ReadsThePublishedFile) {
  const std::string model = SharedData("model");
  SEXTANT_SKIP_WITHOUT_SHARED(model);
  ModelConfig published;
  published.vocab_size = 102400;
  const auto config = ReadGenerationConfig(model, published);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->sampling.temperature, 0.3F);
  EXPECT_EQ(config->sampling.top_p, 0.95F);
  EXPECT_THAT(config->eos_token_ids, ElementsAre(100001));
}

}  // namespace
}  // namespace sextant
