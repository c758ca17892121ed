#include "cli/plan/rates.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/config/byte_size.h"

namespace sextant::cli {
namespace {

absl::Status NotARate(absl::string_view text, const char* examples) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", text, "\" is not a rate above 0; write for example ", examples));
}

// 0 for what is no unit of operations per second.
double UnitFlops(absl::string_view unit) {
  std::string lower = absl::AsciiStrToLower(unit);
  absl::string_view prefix = lower;
  if (!absl::ConsumeSuffix(&prefix, "flops") && !absl::ConsumeSuffix(&prefix, "flop/s")) return 0;
  if (prefix == "g") return 1e9;
  if (prefix == "t") return 1e12;
  if (prefix == "p") return 1e15;
  return 0;
}

}  // namespace

absl::StatusOr<double> ParseBytesPerSecond(absl::string_view text) {
  absl::string_view size = absl::StripAsciiWhitespace(text);
  const bool per_second = absl::ConsumeSuffix(&size, "/s");
  const absl::StatusOr<std::int64_t> bytes = ParseByteSize(size);
  // A lower-case b after the prefix is a bit everywhere but here: refuse it, do not guess.
  const bool bits = absl::EndsWith(size, "b");
  if (!per_second || bits || !bytes.ok() || *bytes <= 0) {
    return NotARate(text, "3.35TB/s or 450GB/s (bytes, not bits)");
  }
  return static_cast<double>(*bytes);
}

absl::StatusOr<double> ParseFlopsPerSecond(absl::string_view text) {
  const absl::string_view trimmed = absl::StripAsciiWhitespace(text);
  std::size_t digits = trimmed.find_first_not_of("0123456789.");
  if (digits == absl::string_view::npos) digits = trimmed.size();
  const double unit = UnitFlops(absl::StripAsciiWhitespace(trimmed.substr(digits)));
  double number = 0;
  if (unit == 0 || !absl::SimpleAtod(trimmed.substr(0, digits), &number) ||
      !(number > 0 && number * unit <= 1e21)) {
    return NotARate(text, "989TFLOPS or 450GFLOPS");
  }
  return number * unit;
}

}  // namespace sextant::cli
