#include "router/tokenizer/code_point_set.h"

#include <algorithm>
#include <map>

namespace sextant {
namespace {

constexpr char32_t kLast = 0x10FFFF;

constexpr CodePointRange kWhiteSpace[] = {
    {0x9, 0xD},       {0x20, 0x20},     {0x85, 0x85},     {0xA0, 0xA0},     {0x1680, 0x1680},
    {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000},
};

}  // namespace

std::span<const CodePointRange> WhiteSpaceRanges() { return kWhiteSpace; }

CodePointSet Normalised(CodePointSet ranges) {
  std::sort(ranges.begin(), ranges.end(),
            [](const CodePointRange& a, const CodePointRange& b) { return a.first < b.first; });
  CodePointSet merged;
  for (const CodePointRange& range : ranges) {
    if (!merged.empty() && range.first <= merged.back().last + 1) {
      merged.back().last = std::max(merged.back().last, range.last);
    } else {
      merged.push_back(range);
    }
  }
  return merged;
}

CodePointSet Complement(const CodePointSet& normalised) {
  CodePointSet rest;
  char32_t next = 0;
  for (const CodePointRange& range : normalised) {
    if (range.first > next) rest.push_back({next, range.first - 1});
    next = range.last + 1;
  }
  if (next <= kLast) rest.push_back({next, kLast});
  return rest;
}

bool Contains(const CodePointSet& normalised, char32_t value) {
  return std::any_of(normalised.begin(), normalised.end(), [&](const CodePointRange& range) {
    return range.first <= value && value <= range.last;
  });
}

CodePointMasks::CodePointMasks() : page_of_((kLast >> 8U) + 1, 1), pages_(2, Page{}) {
  page_of_[0] = 0;
}

CodePointMasks::Mask CodePointMasks::Add(const CodePointSet& set) {
  const auto known = std::find(sets_.begin(), sets_.end(), set);
  const auto index = static_cast<unsigned>(known - sets_.begin());
  if (known != sets_.end()) return static_cast<Mask>(1U << index);
  if (sets_.size() == kMaxSets) return 0;
  sets_.push_back(set);
  const auto bit = static_cast<Mask>(1U << index);

  // A page that one range fills entirely stays shared with those that looked the same before.
  const std::size_t first_new = pages_.size();
  std::map<std::uint16_t, std::uint16_t> filled;
  for (const CodePointRange& range : set) {
    for (char32_t number = range.first >> 8U; number <= range.last >> 8U; ++number) {
      const char32_t from = std::max<char32_t>(range.first, number << 8U) & 0xFFU;
      const char32_t to = std::min<char32_t>(range.last, (number << 8U) | 0xFFU) & 0xFFU;
      const bool whole = from == 0 && to == 0xFF && number != 0;
      const std::uint16_t old = page_of_[number];
      if (const auto twin = filled.find(old); whole && twin != filled.end()) {
        page_of_[number] = twin->second;
        continue;
      }
      if (number != 0 && old < first_new) {
        page_of_[number] = static_cast<std::uint16_t>(pages_.size());
        pages_.push_back(Page(pages_[old]));
        if (whole) filled.emplace(old, page_of_[number]);
      }
      Page& page = pages_[page_of_[number]];
      for (char32_t i = from; i <= to; ++i) page[i] = static_cast<Mask>(page[i] | bit);
    }
  }
  return bit;
}

}  // namespace sextant
