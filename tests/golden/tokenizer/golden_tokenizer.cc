#include "tests/golden/tokenizer/golden_tokenizer.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

namespace sextant {
namespace {

std::unique_ptr<const Tokenizer> FromText(const std::string& json, const std::string& source) {
  auto tokenizer = Tokenizer::FromJson(json);
  if (tokenizer.ok()) return *std::move(tokenizer);
  ADD_FAILURE() << source << ": " << tokenizer.status();
  return nullptr;
}

}  // namespace

std::string GoldenTokenizerDir() { return SEXTANT_SOURCE_DIR "/tests/golden/tokenizer"; }

nlohmann::json GoldenTokenizerJson(const std::string& name) {
  std::ifstream file(GoldenTokenizerDir() + "/" + name);
  nlohmann::json json = nlohmann::json::parse(file, nullptr, false);
  if (!json.is_discarded()) return json;
  ADD_FAILURE() << name << " cannot be read from " << GoldenTokenizerDir();
  return nullptr;
}

std::unique_ptr<const Tokenizer> LoadTokenizer(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return FromText(text.str(), path);
}

std::unique_ptr<const Tokenizer> GoldenTokenizer() {
  return LoadTokenizer(GoldenTokenizerDir() + "/tokenizer.json");
}

std::unique_ptr<const Tokenizer> GoldenRegexTokenizer() {
  nlohmann::json json = GoldenTokenizerJson("tokenizer.json");
  json["pre_tokenizer"] = GoldenTokenizerJson("regex_pre_tokenizer.json");
  return FromText(json.dump(), "regex_pre_tokenizer.json");
}

}  // namespace sextant
