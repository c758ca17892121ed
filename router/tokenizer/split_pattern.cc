#include "router/tokenizer/split_pattern.h"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/status.h"

namespace sextant {
namespace {

constexpr std::size_t kMaxPatternBytes = 64 * 1024;
constexpr int kMaxDepth = 32;
constexpr int kMaxRepeat = 1000;

constexpr std::array<std::string_view, 37> kCategories = {
    "C",  "Cc", "Cf", "Cn", "Co", "L",  "Ll", "Lm", "Lo", "Lt", "Lu", "M",  "Mc",
    "Me", "Mn", "N",  "Nd", "Nl", "No", "P",  "Pc", "Pd", "Pe", "Pf", "Pi", "Po",
    "Ps", "S",  "Sc", "Sk", "Sm", "So", "Z",  "Zl", "Zp", "Zs", "Cs"};

CodePointSet WhiteSpace() {
  const auto ranges = WhiteSpaceRanges();
  return {ranges.begin(), ranges.end()};
}

// What one element of a pattern matches: some code points, and in PCRE2's words, without brackets.
struct Element {
  std::optional<CodePointSet> set;  // empty where only PCRE2 knows (a general category)
  std::string in_class;
};

std::string ClassText(const CodePointSet& set) {
  std::string text;
  for (const CodePointRange& range : set) {
    // PCRE2 refuses surrogates; no UTF-8 text holds one.
    const auto put = [&](char32_t first, char32_t last) {
      if (first > last) return;
      absl::StrAppend(&text, absl::StrFormat("\\x{%x}", static_cast<unsigned>(first)));
      if (last > first)
        absl::StrAppend(&text, absl::StrFormat("-\\x{%x}", static_cast<unsigned>(last)));
    };
    put(range.first, std::min<char32_t>(range.last, 0xD7FF));
    put(std::max<char32_t>(range.first, 0xE000), range.last);
  }
  return text;
}

Element FromSet(CodePointSet set) {
  Element element;
  element.in_class = ClassText(set);
  element.set = std::move(set);
  return element;
}

class Reader {
 public:
  explicit Reader(std::string_view pattern) : all_(pattern), rest_(pattern) {}

  absl::StatusOr<SplitPattern> Read() {
    RETURN_IF_ERROR(Alternatives(0));
    if (!rest_.empty()) return Error("')' closes no group");
    return Recognise();
  }

 private:
  // A stretch of the pattern outside of groups, for recognising the simple forms.
  struct Atom {
    std::optional<CodePointSet> set;
    bool line_end = false;
    std::string quantifier;
  };

  absl::Status Error(absl::string_view what) const {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " (byte ", all_.size() - rest_.size(), " of the pattern)"));
  }
  [[nodiscard]] bool At(std::string_view token) const {
    return rest_.substr(0, token.size()) == token;
  }
  bool Take(std::string_view token) {
    if (!At(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }

  absl::StatusOr<char32_t> Character() {
    const CodePoint c = DecodeUtf8(rest_.data(), rest_.data() + rest_.size());
    if (!c.valid) return Error("not UTF-8");
    rest_.remove_prefix(static_cast<std::size_t>(c.bytes));
    return c.value;
  }

  absl::Status Alternatives(int depth) {
    if (depth > kMaxDepth) return Error("groups are nested too deeply");
    for (;;) {
      while (!rest_.empty() && !At("|") && !At(")")) RETURN_IF_ERROR(Quantified(depth));
      if (!Take("|")) return absl::OkStatus();
      out_ += '|';
      simple_ = false;
    }
  }

  absl::Status Quantified(int depth) {
    Atom atom;
    bool repeatable = true;
    if (At("(")) {
      simple_ = false;
      RETURN_IF_ERROR(Group(depth, repeatable));
    } else if (Take("^")) {
      out_ += "(?m:^)";
      repeatable = false;
    } else if (Take("$")) {
      out_ += "(?=\\x{a}|\\z)";  // Oniguruma: the end of the text, or before any line feed
      atom.line_end = true;
      repeatable = false;
    } else {
      ASSIGN_OR_RETURN(Element element, OneCharacter());
      if (element.in_class.empty()) return Error("a class that no character is in");
      absl::StrAppend(&out_, "[", element.in_class, "]");
      atom.set = std::move(element.set);
    }
    ASSIGN_OR_RETURN(atom.quantifier, Quantifier());
    if (!atom.quantifier.empty() && !repeatable) return Error("this cannot be repeated");
    out_ += atom.quantifier;
    if (depth == 0 && atoms_.size() < 3) atoms_.push_back(std::move(atom));
    return absl::OkStatus();
  }

  absl::Status Group(int depth, bool& repeatable) {
    static constexpr std::array<std::string_view, 5> kLooks = {"(?=", "(?!", "(?<=", "(?<!", "(?:"};
    std::string_view opening = "(";
    for (const std::string_view kind : kLooks) {
      if (At(kind)) opening = kind;
    }
    Take(opening);
    if (At("?") || At("*")) return Error("this kind of group is not supported");
    repeatable = opening == "(?:" || opening == "(";
    out_ += opening == "(" ? "(?:" : opening;
    RETURN_IF_ERROR(Alternatives(depth + 1));
    if (!Take(")")) return Error("a group is not closed");
    out_ += ')';
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> Quantifier() {
    std::string text;
    if (At("?") || At("*") || At("+")) {
      text = rest_.substr(0, 1);
      rest_.remove_prefix(1);
      if (Take("?"))
        text += '?';
      else if (Take("+"))
        text += '+';
    } else if (Take("{")) {
      ASSIGN_OR_RETURN(const int least, Number());
      text = absl::StrCat("{", least);
      if (Take(",")) {
        text += ',';
        if (!At("}")) {
          ASSIGN_OR_RETURN(const int most, Number());
          if (most < least) return Error("a repetition ends before it begins");
          absl::StrAppend(&text, most);
        }
      }
      if (!Take("}")) return Error("a repetition must be {n}, {n,} or {n,m}");
      text += '}';
    }
    if (!text.empty() && (At("?") || At("*") || At("+") || At("{"))) {
      return Error("a repetition of a repetition is not supported");
    }
    return text;
  }

  absl::StatusOr<int> Number() {
    int value = -1;
    while (!rest_.empty() && rest_[0] >= '0' && rest_[0] <= '9') {
      value = std::max(value, 0) * 10 + (rest_[0] - '0');
      if (value > kMaxRepeat) return Error(absl::StrCat("more than ", kMaxRepeat, " repetitions"));
      rest_.remove_prefix(1);
    }
    if (value < 0) return Error("a repetition must be {n}, {n,} or {n,m}");
    return value;
  }

  absl::StatusOr<Element> OneCharacter() {
    if (At("[")) return Class();
    if (At("\\")) return Escape();
    if (At("?") || At("*") || At("+") || At("{")) return Error("there is nothing to repeat");
    if (At("]") || At("}")) return Error("a bracket that closes nothing; write it as \\] or \\}");
    if (Take(".")) return FromSet(Complement({{'\n', '\n'}}));
    ASSIGN_OR_RETURN(const char32_t c, Character());
    return FromSet({{c, c}});
  }

  absl::StatusOr<Element> Escape() {
    Take("\\");
    if (rest_.empty()) return Error("a backslash escapes nothing");
    const char kind = rest_[0];
    if (kind == 'p' || kind == 'P') return Category();
    if (kind == 'x' || kind == 'u') return Hexadecimal();
    rest_.remove_prefix(1);
    switch (kind) {
      case 's':
        return FromSet(WhiteSpace());
      case 'S':
        return FromSet(Complement(WhiteSpace()));
      case 'd':
        return Element{std::nullopt, "\\p{Nd}"};
      case 'D':
        return Element{std::nullopt, "\\P{Nd}"};
      case 'r':
        return FromSet({{'\r', '\r'}});
      case 'n':
        return FromSet({{'\n', '\n'}});
      case 't':
        return FromSet({{'\t', '\t'}});
      case 'f':
        return FromSet({{'\f', '\f'}});
      case 'v':
        return FromSet({{'\v', '\v'}});
      default:
        break;
    }
    const auto c = static_cast<unsigned char>(kind);
    if (c >= 0x80 || c <= ' ' || std::string_view("_").find(kind) == 0 || (c >= '0' && c <= '9') ||
        (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')) {
      return Error("this escape is not supported");
    }
    return FromSet({{c, c}});
  }

  absl::StatusOr<Element> Category() {
    const bool negated = At("P");
    rest_.remove_prefix(1);
    const std::size_t close = rest_.find('}');
    if (!At("{") || close == std::string_view::npos) return Error("\\p needs a name in braces");
    const std::string_view name = rest_.substr(1, close - 1);
    if (std::find(kCategories.begin(), kCategories.end(), name) == kCategories.end()) {
      return Error("only the names of general categories, such as \\p{Lu}, are supported");
    }
    rest_.remove_prefix(close + 1);
    return Element{std::nullopt, std::string(negated ? "\\P{" : "\\p{") + std::string(name) + "}"};
  }

  absl::StatusOr<Element> Hexadecimal() {
    const bool u = At("u");
    rest_.remove_prefix(1);
    const bool braces = !u && Take("{");
    const std::size_t most = u ? 4 : braces ? 8 : 2;
    char32_t value = 0;
    std::size_t digits = 0;
    for (; digits < most && !rest_.empty(); ++digits) {
      const std::size_t digit = std::string_view("0123456789abcdefABCDEF").find(rest_[0]);
      if (digit == std::string_view::npos) break;
      value = value * 16 + static_cast<char32_t>(digit < 16 ? digit : digit - 6);
      rest_.remove_prefix(1);
    }
    if (digits == 0 || (u && digits != 4)) return Error("too few hexadecimal digits");
    if (braces && !Take("}")) return Error("\\x{ is not closed");
    if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF) ||
        (!u && !braces && value > 0x7F)) {
      return Error("not the number of a Unicode character");
    }
    return FromSet({{value, value}});
  }

  absl::StatusOr<Element> Class() {
    Take("[");
    const bool negated = Take("^");
    CodePointSet set;
    bool known = true;
    std::string unknown;
    bool first = true;
    while (!At("]") || first) {
      if (rest_.empty()) return Error("a class is not closed");
      if (At("[") || At("&&") || At("]")) return Error("'[', '&&' or a leading ']' in a class");
      ASSIGN_OR_RETURN(const Element from, ClassItem());
      if (At("-") && !At("-]")) {
        Take("-");
        if (At("[") || rest_.empty()) return Error("a range has no end");
        ASSIGN_OR_RETURN(const Element to, ClassItem());
        const bool single = from.set && to.set && from.set->size() == 1 && to.set->size() == 1 &&
                            from.set->front().first == from.set->front().last &&
                            to.set->front().first == to.set->front().last;
        if (!single || from.set->front().first > to.set->front().first) {
          return Error("a range must run from one character up to another");
        }
        set.push_back({from.set->front().first, to.set->front().first});
      } else if (from.set) {
        set.insert(set.end(), from.set->begin(), from.set->end());
      } else {
        known = false;
        unknown += from.in_class;
      }
      first = false;
    }
    Take("]");
    set = Normalised(std::move(set));
    if (known) return FromSet(negated ? Complement(set) : std::move(set));
    return Element{std::nullopt, (negated ? "^" : "") + ClassText(set) + unknown};
  }

  absl::StatusOr<Element> ClassItem() {
    if (At("\\")) return Escape();
    ASSIGN_OR_RETURN(const char32_t c, Character());
    return FromSet({{c, c}});
  }

  absl::StatusOr<SplitPattern> Recognise() {
    SplitPattern pattern;
    pattern.pcre2 = std::move(out_);
    if (!simple_ || atoms_.empty() || atoms_.size() > 2) return pattern;
    const CodePointSet space = WhiteSpace();
    const Atom& last = atoms_.back();
    const bool two = atoms_.size() == 2;
    if (two && last.line_end && atoms_[0].set == space && atoms_[0].quantifier == "+") {
      pattern.form = SplitPattern::Form::kTrailingSpace;
    } else if (last.set && !last.set->empty() &&
               (last.quantifier.empty() || last.quantifier == "+") &&
               (!two || (atoms_[0].set == space && atoms_[0].quantifier == "?"))) {
      pattern.form = SplitPattern::Form::kClass;
      pattern.set = *last.set;
      pattern.leading_space = two;
      pattern.repeated = !last.quantifier.empty();
    }
    return pattern;
  }

  std::string_view all_;
  std::string_view rest_;
  std::string out_;
  std::vector<Atom> atoms_;
  bool simple_ = true;
};

}  // namespace

absl::StatusOr<SplitPattern> ReadSplitPattern(std::string_view pattern) {
  if (pattern.size() > kMaxPatternBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the pattern is longer than ", kMaxPatternBytes, " bytes"));
  }
  return Reader(pattern).Read();
}

}  // namespace sextant
