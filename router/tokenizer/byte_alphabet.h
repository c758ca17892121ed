// The alphabet in which byte-level vocabularies spell bytes: printable Latin-1 characters stand for
// themselves, the other 68 bytes for U+0100 onwards (GPT-2's encoder.py, bytes_to_unicode).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sextant {

// The bytes that `spelling` stands for; empty when a character of it is not in the alphabet.
[[nodiscard]] std::optional<std::string> BytesOfSpelling(std::string_view spelling);

// How the vocabulary spells `bytes`.
[[nodiscard]] std::string SpellingOfBytes(std::string_view bytes);

}  // namespace sextant
