#include "cli/engine/process_status.h"

#include <unistd.h>

#include <ctime>
#include <fstream>
#include <sstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace sextant::cli {
namespace {

std::string ReadProc(const char* path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// What follows "NAME:" in the lines of `text`; empty when no line has it.
std::string FieldOf(const std::string& text, absl::string_view name) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!absl::ConsumePrefix(&line, name)) continue;
    line = absl::StripLeadingAsciiWhitespace(line);
    if (!absl::ConsumePrefix(&line, ":")) continue;
    return std::string(absl::StripAsciiWhitespace(line));
  }
  return {};
}

// The field `name` of a file such as /proc/self/status: "NAME:    123 kB".
absl::StatusOr<std::int64_t> BytesOf(const char* path, const std::string& text,
                                     absl::string_view name) {
  const std::string field = FieldOf(text, name);
  absl::string_view number = field;
  std::int64_t kilobytes = 0;
  if (!absl::ConsumeSuffix(&number, " kB") || !absl::SimpleAtoi(number, &kilobytes)) {
    return absl::UnavailableError(absl::StrCat(path, " has no ", name));
  }
  return kilobytes << 10;
}

}  // namespace

absl::StatusOr<double> SecondsSinceStart() {
  // Field 22 is the start in clock ticks since boot; the name before it may hold spaces.
  const std::string text = ReadProc("/proc/self/stat");
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos)
    return absl::UnavailableError("/proc/self/stat is not readable");
  const std::vector<std::string> fields = absl::StrSplit(text.substr(name_end + 1), ' ');
  constexpr std::size_t kStartTime = 20;
  double ticks = 0;
  if (fields.size() <= kStartTime || !absl::SimpleAtod(fields[kStartTime], &ticks)) {
    return absl::UnavailableError("/proc/self/stat has no start time");
  }
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9 -
         ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

absl::StatusOr<std::int64_t> AnonymousBytes() {
  constexpr const char* kStatus = "/proc/self/status";
  return BytesOf(kStatus, ReadProc(kStatus), "RssAnon");
}

std::optional<double> HugeFileShare() {
  constexpr const char* kMaps = "/proc/self/smaps_rollup";
  const std::string text = ReadProc(kMaps);
  const auto resident = BytesOf(kMaps, text, "Rss");
  const auto anonymous = BytesOf(kMaps, text, "Anonymous");
  const auto huge = BytesOf(kMaps, text, "FilePmdMapped");
  if (!resident.ok() || !anonymous.ok() || !huge.ok() || *resident <= *anonymous) return {};
  return static_cast<double>(*huge) / static_cast<double>(*resident - *anonymous);
}

std::string ProcessorName() {
  const std::string name = FieldOf(ReadProc("/proc/cpuinfo"), "model name");
  return name.empty() ? "unknown processor" : name;
}

}  // namespace sextant::cli
