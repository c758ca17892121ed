// One code point at a time from bytes that may be anything.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sextant {

struct CodePoint {
  char32_t value = 0;
  int bytes = 1;
  bool valid = true;
};

// The code point that starts at `p`, before `end` (p < end). What is not UTF-8 (Unicode 15, table
// 3-7: overlong forms, surrogates and values past U+10FFFF are not) is one byte, U+0000, not valid.
inline CodePoint DecodeUtf8(const char* p, const char* end) {
  const auto byte = [&](int i) { return static_cast<unsigned char>(p[i]); };
  const auto continues = [&](int i) { return end - p > i && (byte(i) & 0xC0U) == 0x80U; };
  const auto low6 = [&](int i) { return static_cast<char32_t>(byte(i) & 0x3FU); };
  const char32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  if (lead >= 0xC2 && lead < 0xE0 && continues(1)) {
    return {((lead & 0x1FU) << 6U) | low6(1), 2, true};
  }
  if (lead >= 0xE0 && lead < 0xF0 && continues(1) && continues(2)) {
    const char32_t value = ((lead & 0x0FU) << 12U) | (low6(1) << 6U) | low6(2);
    if (value >= 0x800 && (value < 0xD800 || value > 0xDFFF)) return {value, 3, true};
  }
  if (lead >= 0xF0 && lead < 0xF5 && continues(1) && continues(2) && continues(3)) {
    const char32_t value = ((lead & 0x07U) << 18U) | (low6(1) << 12U) | (low6(2) << 6U) | low6(3);
    if (value >= 0x10000 && value <= 0x10FFFF) return {value, 4, true};
  }
  return {0, 1, false};
}

// Appends the UTF-8 of `value`, a Unicode scalar value.
inline void AppendUtf8(char32_t value, std::string& out) {
  const auto put = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  const auto tail = [&](unsigned shift) { put(0x80U | ((value >> shift) & 0x3FU)); };
  if (value < 0x80) {
    put(value);
  } else if (value < 0x800) {
    put(0xC0U | (value >> 6U));
    tail(0);
  } else if (value < 0x10000) {
    put(0xE0U | (value >> 12U));
    tail(6);
    tail(0);
  } else {
    put(0xF0U | (value >> 18U));
    tail(12);
    tail(6);
    tail(0);
  }
}

// The length of the longest prefix of `text` that ends between characters: all of it, or all but
// the first 1 to 3 bytes of a character whose rest may still come.
[[nodiscard]] std::size_t WholeCharacters(std::string_view text);

// Appends `text` to `out`, each maximal broken part as one U+FFFD (Unicode 15, section 3.9).
void AppendReplacingBroken(std::string_view text, std::string& out);

}  // namespace sextant
