#include "router/tokenizer/utf8.h"

namespace sextant {
namespace {

// How many bytes from `p` (p < end) belong together: a whole character, or the longest start of one
// that is well-formed so far, or one byte. `open` is set when more bytes could complete it.
int MaximalPart(const char* p, const char* end, bool& open) {
  open = false;
  const CodePoint whole = DecodeUtf8(p, end);
  if (whole.valid) return whole.bytes;
  const auto lead = static_cast<unsigned char>(*p);
  const int wanted = lead >= 0xF0 && lead < 0xF5   ? 4
                     : lead >= 0xE0 && lead < 0xF0 ? 3
                     : lead >= 0xC2 && lead < 0xE0 ? 2
                                                   : 1;
  // The second byte decides between overlong forms, surrogates and characters (table 3-7).
  unsigned lowest = 0x80;
  unsigned highest = 0xBF;
  if (lead == 0xE0) lowest = 0xA0;
  if (lead == 0xED) highest = 0x9F;
  if (lead == 0xF0) lowest = 0x90;
  if (lead == 0xF4) highest = 0x8F;
  int length = 1;
  while (length < wanted && end - p > length) {
    const auto byte = static_cast<unsigned char>(p[length]);
    if (byte < lowest || byte > highest) return length;
    lowest = 0x80;
    highest = 0xBF;
    ++length;
  }
  open = length < wanted;
  return length;
}

}  // namespace

std::size_t WholeCharacters(std::string_view text) {
  const char* const end = text.data() + text.size();
  // Only the last three bytes can begin a character that is not finished.
  for (std::size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    bool open = false;
    const char* const p = end - back;
    if (MaximalPart(p, end, open) == static_cast<int>(back) && open) return text.size() - back;
  }
  return text.size();
}

void AppendReplacingBroken(std::string_view text, std::string& out) {
  const char* p = text.data();
  const char* const end = p + text.size();
  while (p < end) {
    const CodePoint whole = DecodeUtf8(p, end);
    if (whole.valid) {
      out.append(p, static_cast<std::size_t>(whole.bytes));
      p += whole.bytes;
    } else {
      bool open = false;
      p += MaximalPart(p, end, open);
      out += "\xEF\xBF\xBD";
    }
  }
}

}  // namespace sextant
