#include "tests/golden/tokenizer/random_texts.h"

#include <nlohmann/json.hpp>

#include "router/tokenizer/utf8.h"

namespace sextant {
namespace {

// Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
class SplitMix64 {
 public:
  explicit SplitMix64(std::uint64_t seed) : state_(seed) {}

  std::size_t Below(std::size_t limit) {
    state_ += 0x9E3779B97F4A7C15U;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
    return (z ^ (z >> 31U)) % limit;
  }

 private:
  std::uint64_t state_;
};

}  // namespace

RandomTexts::RandomTexts(const nlohmann::json& alphabets) {
  for (const auto& entries : alphabets) {
    Alphabet& alphabet = alphabets_.emplace_back();
    for (const auto& entry : entries) {
      if (entry.is_string()) {
        alphabet.words.push_back(entry.get<std::string>());
      } else {
        alphabet.ranges.push_back({entry[0].get<std::uint32_t>(), entry[1].get<std::uint32_t>()});
      }
    }
  }
}

std::string RandomTexts::Text(std::uint64_t seed, std::uint64_t index) const {
  SplitMix64 random((seed << 32U) + index);
  std::string text;
  for (std::size_t parts = random.Below(10); parts > 0; --parts) {
    const Alphabet& alphabet = alphabets_[random.Below(alphabets_.size())];
    if (!alphabet.words.empty()) {
      text += alphabet.words[random.Below(alphabet.words.size())];
      continue;
    }
    for (std::size_t characters = 1 + random.Below(5); characters > 0; --characters) {
      const Range& range = alphabet.ranges[random.Below(alphabet.ranges.size())];
      AppendUtf8(static_cast<char32_t>(range.first + random.Below(range.last - range.first + 1)),
                 text);
    }
  }
  return text;
}

}  // namespace sextant
