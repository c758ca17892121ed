// Cuts text into the pieces that byte-pair merges never cross.
//
// A sequence of steps, each of which cuts every piece that the earlier ones left, so that what it
// matches stands alone ("isolated") and so does what lies between. Here a step cuts one piece; the
// encoder walks the sequence. A step looks at nothing outside of its piece.
//
// Threads:   const after the Add calls; each thread brings its own Workspace.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "router/tokenizer/code_point_set.h"
#include "router/tokenizer/pcre2_pattern.h"
#include "router/tokenizer/split_pattern.h"

namespace sextant {

class PreTokenizer {
 public:
  static constexpr std::size_t kMaxSteps = 64;

  // Errors: InvalidArgument when PCRE2 refuses the pattern or there are more than kMaxSteps.
  [[nodiscard]] absl::Status AddSplit(const SplitPattern& pattern);
  // Digits stand alone, one by one (`individual`) or run by run.
  [[nodiscard]] absl::Status AddDigits(bool individual);

  [[nodiscard]] std::size_t StepCount() const { return steps_.size(); }
  // Whether some step runs PCRE2, which wants its subject to be UTF-8.
  [[nodiscard]] bool NeedsUtf8() const { return needs_utf8_; }

  struct Workspace {
    Pcre2Pattern::Workspace pcre2;
    // What regular expressions see: the text itself, or, when that is not UTF-8, a copy of the same
    // length with U+0000 for every byte that is not.
    const char* text = nullptr;
    const char* seen = nullptr;
    std::string copy;
  };
  void Prepare(std::string_view text, Workspace& workspace) const;

  // Calls `piece(begin, end)` -> absl::Status for each part of [begin, end), in order, none empty.
  // The range lies in the text last given to Prepare. Stops at the first error.
  template <typename Piece>
  absl::Status Cut(std::size_t step, const char* begin, const char* end, Workspace& workspace,
                   const Piece& piece) const;

 private:
  using Mask = CodePointMasks::Mask;
  struct ClassStep {
    Mask set;
    Mask space;  // 0 where no white space may lead
    bool repeated;
  };
  struct TrailingSpaceStep {
    Mask space;
  };
  using Step = std::variant<ClassStep, TrailingSpaceStep, Pcre2Pattern>;

  absl::Status AddStep(Step step);
  // The end of the next match in [p, end), and its beginning in `match`; `match` == end: none.
  const char* FindClass(const ClassStep& step, const char* p, const char* end,
                        const char*& match) const;
  const char* FindTrailingSpace(Mask space, const char* p, const char* end,
                                const char*& match) const;
  static absl::StatusOr<const char*> FindRegex(const Pcre2Pattern& pattern, const char* begin,
                                               const char* p, const char* end, Workspace& workspace,
                                               const char*& match);

  template <typename Find, typename Piece>
  static absl::Status CutAtMatches(const char* begin, const char* end, const Find& find,
                                   const Piece& piece);

  CodePointMasks masks_;
  std::vector<Step> steps_;
  bool needs_utf8_ = false;
};

inline const char* PreTokenizer::FindClass(const ClassStep& step, const char* p, const char* end,
                                           const char*& match) const {
  int bytes = 0;
  int next_bytes = 0;
  for (; p < end; p += bytes) {
    const Mask mask = masks_.Read(p, end, bytes);
    const char* after = p + bytes;
    const bool led = (mask & step.space) != 0 && after < end &&
                     (masks_.Read(after, end, next_bytes) & step.set) != 0;
    if (!led && (mask & step.set) == 0) continue;
    match = p;
    if (led) after += next_bytes;
    while (step.repeated && after < end && (masks_.Read(after, end, bytes) & step.set) != 0) {
      after += bytes;
    }
    return after;
  }
  match = end;
  return end;
}

template <typename Find, typename Piece>
absl::Status PreTokenizer::CutAtMatches(const char* begin, const char* end, const Find& find,
                                        const Piece& piece) {
  const char* from = begin;
  while (from < end) {
    const char* match = end;
    const char* const match_end = find(from, match);
    if (match > from) {
      if (absl::Status status = piece(from, match); !status.ok()) return status;
    }
    if (match == end) break;
    if (absl::Status status = piece(match, match_end); !status.ok()) return status;
    from = match_end;
  }
  return absl::OkStatus();
}

template <typename Piece>
absl::Status PreTokenizer::Cut(std::size_t step, const char* begin, const char* end,
                               Workspace& workspace, const Piece& piece) const {
  if (const auto* set = std::get_if<ClassStep>(&steps_[step])) {
    return CutAtMatches(
        begin, end,
        [&](const char* p, const char*& match) { return FindClass(*set, p, end, match); }, piece);
  }
  if (const auto* trailing = std::get_if<TrailingSpaceStep>(&steps_[step])) {
    return CutAtMatches(
        begin, end,
        [&](const char* p, const char*& match) {
          return FindTrailingSpace(trailing->space, p, end, match);
        },
        piece);
  }
  absl::Status failed;
  const auto& pattern = std::get<Pcre2Pattern>(steps_[step]);
  const absl::Status status = CutAtMatches(
      begin, end,
      [&](const char* p, const char*& match) {
        absl::StatusOr<const char*> found = FindRegex(pattern, begin, p, end, workspace, match);
        if (found.ok()) return *found;
        failed = std::move(found).status();
        match = end;
        return end;
      },
      [&](const char* b, const char* e) { return failed.ok() ? piece(b, e) : failed; });
  return failed.ok() ? status : failed;
}

}  // namespace sextant
