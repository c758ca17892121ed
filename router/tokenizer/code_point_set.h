// Sets of code points, and a table that answers for several sets at once.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "router/tokenizer/utf8.h"

namespace sextant {

struct CodePointRange {
  char32_t first;
  char32_t last;  // included
  bool operator==(const CodePointRange&) const = default;
};
using CodePointSet = std::vector<CodePointRange>;  // Normalised: sorted, apart, not adjacent.

[[nodiscard]] CodePointSet Normalised(CodePointSet ranges);
[[nodiscard]] CodePointSet Complement(const CodePointSet& normalised);
[[nodiscard]] bool Contains(const CodePointSet& normalised, char32_t value);

// Unicode's White_Space, which is what `\s` means in a tokenizer.json.
[[nodiscard]] std::span<const CodePointRange> WhiteSpaceRanges();
// The general categories Nd, Nl and No, as the `Digits` pre-tokenizer of `tokenizers` knows them.
[[nodiscard]] std::span<const CodePointRange> NumericRanges();

// For every code point, the sets that hold it as a mask of bits. 4,352 pages of 256, equal ones
// stored once: tens of KiB for the sets of a tokenizer.
class CodePointMasks {
 public:
  using Mask = std::uint16_t;
  static constexpr int kMaxSets = 15;  // so that 16 bits number every page

  CodePointMasks();

  // The bit of `set`: that of an equal set added before, or a new one; 0 when all bits are taken.
  [[nodiscard]] Mask Add(const CodePointSet& set);

  [[nodiscard]] Mask At(char32_t value) const {
    return pages_[page_of_[value >> 8U]][value & 0xFFU];
  }

  // The mask of the code point at `p` (p < end), and its length in bytes. What is not UTF-8 counts
  // as U+0000, a byte at a time.
  [[nodiscard]] Mask Read(const char* p, const char* end, int& bytes) const {
    const auto lead = static_cast<unsigned char>(*p);
    if (lead < 0x80) {
      bytes = 1;
      return pages_[0][lead];
    }
    const CodePoint c = DecodeUtf8(p, end);
    bytes = c.bytes;
    return At(c.value);
  }

 private:
  using Page = std::array<Mask, 256>;
  std::vector<CodePointSet> sets_;
  std::vector<std::uint16_t> page_of_;
  std::vector<Page> pages_;  // the first is that of U+0000, never shared
};

}  // namespace sextant
