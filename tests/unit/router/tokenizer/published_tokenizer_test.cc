// The published V2-Lite tokenizer, where its files lie beside the checkout.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "common/base/file.h"
#include "router/tokenizer/tokenizer.h"
#include "tests/golden/tokenizer/golden_tokenizer.h"
#include "tests/support/shared_data.h"

namespace sextant {
namespace {

using Ids = std::vector<Tokenizer::Id>;

class PublishedTokenizerTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::string path = SharedData("model/tokenizer.json");
    SEXTANT_SKIP_WITHOUT_SHARED(path);
    model_ = path.substr(0, path.rfind('/') + 1);
    tokenizer_ = LoadTokenizer(path);
    ASSERT_NE(tokenizer_, nullptr);
  }

  std::string model_;
  std::unique_ptr<const Tokenizer> tokenizer_;
};

TEST_F(PublishedTokenizerTest, GivesTheIdsOfItsGoldenFile) {
  const auto golden = nlohmann::json::parse(std::ifstream(model_ + "tokenizer_golden.json"));
  int cases = 0;
  for (const auto& entry : golden) {
    const auto text = entry["text"].get<std::string>();
    const bool chat = entry["kind"] == "chat";
    const auto ids = chat ? tokenizer_->EncodeTrusted({{text, true}}) : tokenizer_->Encode(text);
    ASSERT_TRUE(ids.ok()) << ids.status();
    EXPECT_EQ(*ids, entry["ids"].get<Ids>()) << text;
    EXPECT_EQ(tokenizer_->Decode(*ids).value(), text);
    ++cases;
  }
  EXPECT_EQ(cases, 77);
}

TEST_F(PublishedTokenizerTest, GivesTheIdsOfItsVectors) {
  const std::string inputs = ReadFile(model_ + "tokenizer_vectors.inp", 1 << 20).value();
  std::ifstream outputs(model_ + "tokenizer_vectors.out");
  const std::string separator = "\n__ggml_vocab_test__\n";
  int cases = 0;
  for (std::size_t begin = 0, end = 0; end != std::string::npos; ++cases) {
    end = inputs.find(separator, begin);  // a separator follows the last text but one
    const std::string text = inputs.substr(begin, end == std::string::npos ? end : end - begin);
    begin = end + separator.size();
    std::string line;
    std::getline(outputs, line);
    std::istringstream numbers(line);
    Ids wanted;
    for (Tokenizer::Id id = 0; numbers >> id;) wanted.push_back(id);
    EXPECT_EQ(tokenizer_->Encode(text).value(), wanted) << "case " << cases << ": " << text;
  }
  EXPECT_EQ(cases, 47);
}

TEST_F(PublishedTokenizerTest, UserTextNeverBecomesASpecialToken) {
  const std::string special = "<｜end▁of▁sentence｜>";
  ASSERT_EQ(tokenizer_->AddedId(special), 100001);
  const Ids ids = tokenizer_->Encode("a" + special + special).value();
  for (const Tokenizer::Id id : ids) {
    EXPECT_LT(id, 100000);
  }
  EXPECT_EQ(tokenizer_->EncodeTrusted({{special, true}, {special, false}}).value().front(), 100001);
  EXPECT_EQ(tokenizer_->Bytes(100002), std::nullopt);
}

}  // namespace
}  // namespace sextant
