#include "router/tokenizer/pre_tokenizer.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"

namespace sextant {

absl::Status PreTokenizer::AddStep(Step step) {
  if (steps_.size() == kMaxSteps) {
    return absl::InvalidArgumentError(absl::StrCat("more than ", kMaxSteps, " steps"));
  }
  steps_.push_back(std::move(step));
  return absl::OkStatus();
}

absl::Status PreTokenizer::AddSplit(const SplitPattern& pattern) {
  const auto white_space = WhiteSpaceRanges();
  const CodePointSet space(white_space.begin(), white_space.end());
  if (pattern.form == SplitPattern::Form::kTrailingSpace) {
    if (const Mask bit = masks_.Add(space); bit != 0) return AddStep(TrailingSpaceStep{bit});
  }
  if (pattern.form == SplitPattern::Form::kClass) {
    const Mask space_bit = pattern.leading_space ? masks_.Add(space) : Mask{0};
    const Mask set_bit = masks_.Add(pattern.set);
    if (set_bit != 0 && (space_bit != 0 || !pattern.leading_space)) {
      return AddStep(ClassStep{set_bit, space_bit, pattern.repeated});
    }
  }
  ASSIGN_OR_RETURN(Pcre2Pattern regex, Pcre2Pattern::Compile(pattern.pcre2));
  needs_utf8_ = true;
  return AddStep(std::move(regex));
}

absl::Status PreTokenizer::AddDigits(bool individual) {
  const auto numeric = NumericRanges();
  const Mask bit = masks_.Add({numeric.begin(), numeric.end()});
  if (bit == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("more than ", CodePointMasks::kMaxSets, " different sets of characters"));
  }
  return AddStep(ClassStep{bit, 0, !individual});
}

void PreTokenizer::Prepare(std::string_view text, Workspace& workspace) const {
  workspace.text = text.data();
  workspace.seen = text.data();
  if (!needs_utf8_) return;
  const char* const end = text.data() + text.size();
  bool copied = false;
  for (const char* p = text.data(); p < end;) {
    const CodePoint c = DecodeUtf8(p, end);
    if (!c.valid) {
      if (!copied) workspace.copy = text;
      copied = true;
      workspace.copy[static_cast<std::size_t>(p - text.data())] = '\0';
    }
    p += c.bytes;
  }
  if (copied) workspace.seen = workspace.copy.data();
}

// `\s+$`: of each run of white space, up to the end of the piece or else to its last line feed.
const char* PreTokenizer::FindTrailingSpace(Mask space, const char* p, const char* end,
                                            const char*& match) const {
  match = end;
  int bytes = 0;
  if (std::memchr(p, '\n', static_cast<std::size_t>(end - p)) == nullptr) {
    while (match > p) {
      const char* last = match - 1;
      while (last > p && match - last < 4 && (static_cast<unsigned char>(*last) & 0xC0U) == 0x80U) {
        --last;
      }
      if ((masks_.Read(last, end, bytes) & space) == 0 || last + bytes != match) break;
      match = last;
    }
    return end;
  }
  while (p < end) {
    const char* const run = p;
    const char* run_end = p;
    const char* line_feed = nullptr;
    while (run_end < end && (masks_.Read(run_end, end, bytes) & space) != 0) {
      if (*run_end == '\n' && run_end > run) line_feed = run_end;
      run_end += bytes;
    }
    if (run_end > run && (run_end == end || line_feed != nullptr)) {
      match = run;
      return run_end == end ? end : line_feed;
    }
    p = run_end;
    if (p < end) {
      static_cast<void>(masks_.Read(p, end, bytes));
      p += bytes;
    }
  }
  return end;
}

absl::StatusOr<const char*> PreTokenizer::FindRegex(const Pcre2Pattern& pattern, const char* begin,
                                                    const char* p, const char* end,
                                                    Workspace& workspace, const char*& match) {
  const std::string_view subject(workspace.seen + (begin - workspace.text),
                                 static_cast<std::size_t>(end - begin));
  ASSIGN_OR_RETURN(const Pcre2Pattern::Match found,
                   pattern.Find(subject, static_cast<std::size_t>(p - begin), workspace.pcre2));
  match = found.found ? begin + found.begin : end;
  return found.found ? begin + found.end : end;
}

}  // namespace sextant
