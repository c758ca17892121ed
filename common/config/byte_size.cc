#include "common/config/byte_size.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace sextant {
namespace {

// 0 for a unit that is none.
double UnitBytes(absl::string_view unit) {
  std::string lower = absl::AsciiStrToLower(unit);
  if (lower.empty() || lower == "b") return 1;
  double base = 1000;
  absl::string_view rest = lower;
  if (absl::ConsumeSuffix(&rest, "ib")) {
    base = 1024;
  } else if (!absl::ConsumeSuffix(&rest, "b")) {
    return 0;
  }
  double bytes = 1;
  for (const char prefix : {'k', 'm', 'g', 't'}) {
    bytes *= base;
    if (rest.size() == 1 && rest[0] == prefix) return bytes;
  }
  return 0;
}

}  // namespace

absl::StatusOr<std::int64_t> ParseByteSize(absl::string_view text) {
  const absl::string_view trimmed = absl::StripAsciiWhitespace(text);
  std::size_t digits = trimmed.find_first_not_of("0123456789.");
  if (digits == absl::string_view::npos) digits = trimmed.size();
  double number = 0;
  const double unit = UnitBytes(absl::StripAsciiWhitespace(trimmed.substr(digits)));
  if (unit == 0 || !absl::SimpleAtod(trimmed.substr(0, digits), &number) ||
      !(number * unit <= 4611686018427387904.0)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\" is not a size; write for example 500MB, 5GB or 1.5GiB"));
  }
  return static_cast<std::int64_t>(number * unit);
}

}  // namespace sextant
