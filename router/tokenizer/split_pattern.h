// A regular expression of a tokenizer.json, understood.
//
// `tokenizers` compiles these with Oniguruma in its Ruby syntax, whose `$`, `\s`, `\v` and `{,n}`
// are not those of PCRE2. So the pattern is read here, piece by piece, and written anew for PCRE2;
// whatever could mean something else there is refused. The forms that DeepSeek's files are made
// of are recognised on the way, and need no regex engine at all.
//
// Known: characters, `.`, `^`, `$`, classes (ranges, negation), `\s \S \d \D \r \n \t \f \v`,
// `\x41 \x{4E00} \u4E00`, `\p{L}` and the other general categories, groups `( (?: (?= (?! (?<=
// (?<!`,
// `|`, and the quantifiers `? * + {n} {n,} {n,m}`, of which the first three may be lazy or
// possessive.
//
// Errors:    InvalidArgument with the place in the pattern. A pattern is at most 64 KiB.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "router/tokenizer/code_point_set.h"

namespace sextant {

struct SplitPattern {
  enum class Form {
    kClass,          // [set]  [set]+  \s?[set]  \s?[set]+
    kTrailingSpace,  // \s+$
    kOther,          // for PCRE2
  };
  Form form = Form::kOther;
  CodePointSet set;            // kClass
  bool leading_space = false;  // kClass: with \s? before it
  bool repeated = false;       // kClass: with + after it
  std::string pcre2;           // the same for PCRE2 with PCRE2_UTF, whatever the form
};

[[nodiscard]] absl::StatusOr<SplitPattern> ReadSplitPattern(std::string_view pattern);

}  // namespace sextant
