// Text that remembers who wrote it.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace sextant {

// `trusted`: written by the model's own template, which may spell special tokens. What comes from
// messages is not trusted, whatever it spells.
struct TextStretch {
  std::string text;
  bool trusted = false;
  bool operator==(const TextStretch&) const = default;
};

// Neighbours differ in trust, and none is empty.
using TemplateText = std::vector<TextStretch>;

inline void AppendStretch(TextStretch stretch, TemplateText& text) {
  if (stretch.text.empty()) return;
  if (!text.empty() && text.back().trusted == stretch.trusted) {
    text.back().text += stretch.text;
  } else {
    text.push_back(std::move(stretch));
  }
}

}  // namespace sextant
