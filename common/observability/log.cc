#include "common/observability/log.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/time/clock.h"

namespace sextant {
namespace {

constexpr std::size_t kMaxLineBytes = 4096;
constexpr absl::string_view kCutMark = "...\n";
constexpr std::array<const char*, 4> kLevelNames = {"DEBUG", "INFO", "WARNING", "ERROR"};
constexpr std::array<absl::string_view, 4> kLevelWords = {"debug", "info", "warning", "error"};

bool IsPlain(absl::string_view value) {
  if (value.empty()) return false;
  return std::all_of(value.begin(), value.end(), [](char c) {
    return static_cast<unsigned char>(c) > ' ' && c != '"' && c != '=' && c != '\\' && c != '\x7f';
  });
}

void AppendField(std::string& line, const LogField& field) {
  absl::StrAppend(&line, " ", field.key, "=");
  if (IsPlain(field.value)) {
    absl::StrAppend(&line, absl::Utf8SafeCHexEscape(field.value));
  } else {
    absl::StrAppend(&line, "\"", absl::Utf8SafeCHexEscape(field.value), "\"");
  }
}

// Keeps whole UTF-8 characters.
void CutLine(std::string& line) {
  if (line.size() <= kMaxLineBytes) return;
  std::size_t end = kMaxLineBytes - kCutMark.size();
  while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xC0U) == 0x80U) --end;
  line.resize(end);
  absl::StrAppend(&line, kCutMark);
}

}  // namespace

absl::StatusOr<LogLevel> ParseLogLevel(absl::string_view text) {
  const auto* const found = std::find(kLevelWords.begin(), kLevelWords.end(), text);
  if (found == kLevelWords.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", absl::Utf8SafeCEscape(text),
                     "\" is no log level; give debug, info, warning or error"));
  }
  return static_cast<LogLevel>(found - kLevelWords.begin());
}

absl::string_view LogLevelWord(LogLevel level) {
  return kLevelWords[static_cast<std::size_t>(level)];
}

LogField::LogField(absl::string_view name, absl::Duration duration)
    : key(name), value(absl::StrCat(absl::ToDoubleSeconds(duration))) {}

void WriteToStandardError(absl::string_view line) {
  while (!line.empty()) {
    const ssize_t written = write(STDERR_FILENO, line.data(), line.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    line.remove_prefix(static_cast<std::size_t>(written));
  }
}

Logger::Logger(std::string component, LogLevel least, LogSink sink, const Clock* clock)
    : component_(std::move(component)), least_(least), sink_(std::move(sink)), clock_(clock) {}

Logger Logger::With(LogField field) const {
  Logger logger = *this;
  logger.fields_.push_back(std::move(field));
  return logger;
}

void Logger::Debug(absl::string_view text, Fields fields) const {
  Write(LogLevel::kDebug, text, fields);
}
void Logger::Info(absl::string_view text, Fields fields) const {
  Write(LogLevel::kInfo, text, fields);
}
void Logger::Warning(absl::string_view text, Fields fields) const {
  Write(LogLevel::kWarning, text, fields);
}
void Logger::Error(absl::string_view text, Fields fields) const {
  Write(LogLevel::kError, text, fields);
}

void Logger::Write(LogLevel level, absl::string_view text, Fields fields) const {
  if (level < least_) return;
  const absl::Time now = clock_ == nullptr ? absl::Now() : clock_->Now();
  std::string line =
      absl::StrCat(absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", now, absl::UTCTimeZone()), " ",
                   kLevelNames[static_cast<std::size_t>(level)], " ", component_, ": ",
                   absl::Utf8SafeCHexEscape(text));
  for (const LogField& field : fields_) AppendField(line, field);
  for (const LogField& field : fields) AppendField(line, field);
  line += '\n';
  CutLine(line);
  sink_(line);
}

}  // namespace sextant
