// Random text, the same from C++ and from Python (random_texts.py): of words, and of characters
// from the ranges of Unicode that a tokenizer treats unlike one another.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace sextant {

class RandomTexts {
 public:
  // `alphabets` as in random.json: lists of words, or of ranges of code points.
  explicit RandomTexts(const nlohmann::json& alphabets);

  // UTF-8, often empty, at most some hundred bytes.
  [[nodiscard]] std::string Text(std::uint64_t seed, std::uint64_t index) const;

 private:
  struct Range {
    std::uint32_t first;
    std::uint32_t last;  // included
  };
  struct Alphabet {
    std::vector<std::string> words;  // either these
    std::vector<Range> ranges;       // or these
  };
  std::vector<Alphabet> alphabets_;
};

}  // namespace sextant
