#include "router/tokenizer/byte_alphabet.h"

#include <array>

#include "router/tokenizer/utf8.h"

namespace sextant {
namespace {

constexpr int kLetters = 256 + 68;

struct Alphabet {
  std::array<char32_t, 256> letter_of{};
  std::array<int, kLetters> byte_of{};
};

constexpr Alphabet MakeAlphabet() {
  Alphabet alphabet;
  for (int& byte : alphabet.byte_of) byte = -1;
  char32_t next = 256;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const bool prints = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD);
    const char32_t letter = prints ? byte : next++;
    alphabet.letter_of[byte] = letter;
    alphabet.byte_of[letter] = static_cast<int>(byte);
  }
  return alphabet;
}

constexpr Alphabet kAlphabet = MakeAlphabet();

}  // namespace

std::optional<std::string> BytesOfSpelling(std::string_view spelling) {
  std::string bytes;
  const char* const end = spelling.data() + spelling.size();
  for (const char* p = spelling.data(); p < end;) {
    const CodePoint c = DecodeUtf8(p, end);
    const int byte = c.valid && c.value < kLetters ? kAlphabet.byte_of[c.value] : -1;
    if (byte < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(byte));
    p += c.bytes;
  }
  return bytes;
}

std::string SpellingOfBytes(std::string_view bytes) {
  std::string spelling;
  for (const char byte : bytes) {
    AppendUtf8(kAlphabet.letter_of[static_cast<unsigned char>(byte)], spelling);
  }
  return spelling;
}

}  // namespace sextant
