// The tokenizer of this folder and what the `tokenizers` library does with it (../README.md).
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "router/tokenizer/tokenizer.h"

namespace sextant {

// The folder itself: a model directory without weights.
[[nodiscard]] std::string GoldenTokenizerDir();

// A file of the folder as JSON. Fails the test and gives null when it cannot be read.
[[nodiscard]] nlohmann::json GoldenTokenizerJson(const std::string& name);

// Fails the test and gives null for a file that is no tokenizer.json.
[[nodiscard]] std::unique_ptr<const Tokenizer> LoadTokenizer(const std::string& path);
[[nodiscard]] std::unique_ptr<const Tokenizer> GoldenTokenizer();
// The same tokenizer with the one expression of regex_pre_tokenizer.json.
[[nodiscard]] std::unique_ptr<const Tokenizer> GoldenRegexTokenizer();

}  // namespace sextant
