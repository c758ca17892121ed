// Structured logs: one line for each event, on standard error, readable by people and by programs.
//
//   2026-03-01T12:00:00.123Z INFO router: request ended request_id=r-17 tokens=64 seconds=1.25
//
//   const Logger log("router", LogLevel::kInfo);
//   log.Info("request ended", {{"request_id", id}, {"tokens", 64}, {"seconds", 1.25}});
//   const Logger request_log = log.With({"request_id", id});
//
// A value with a space, a quote, "=" or a control character is quoted and escaped, so whatever a
// client sends stays inside one value of one line. A line is cut at 4,096 bytes: up to there one
// write to a pipe is never torn by those of other processes (POSIX, PIPE_BUF).
//
// Threads: a logger is immutable and may be used and copied by any thread; sinks must allow that.
#pragma once

#include <concepts>
#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/concurrency/clock.h"

namespace sextant {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// "debug", "info", "warning", "error". InvalidArgument, naming these, for anything else.
[[nodiscard]] absl::StatusOr<LogLevel> ParseLogLevel(absl::string_view text);
// The word that ParseLogLevel takes for it.
[[nodiscard]] absl::string_view LogLevelWord(LogLevel level);

struct LogField {
  LogField(absl::string_view name, absl::string_view text) : key(name), value(text) {}
  LogField(absl::string_view name, const char* text) : key(name), value(text) {}
  LogField(absl::string_view name, const std::string& text) : key(name), value(text) {}
  LogField(absl::string_view name, bool truth) : key(name), value(truth ? "true" : "false") {}
  LogField(absl::string_view name, absl::Duration duration);  // in seconds: "1.25"
  template <typename Number>
  requires(std::integral<Number> || std::floating_point<Number>)
      LogField(absl::string_view name, Number number)
      : key(name), value(absl::StrCat(number)) {}

  std::string key;
  std::string value;
};

// Takes whole lines, with their line break.
using LogSink = std::function<void(absl::string_view line)>;

// One write(2) to standard error; a full pipe or a closed one loses the line.
void WriteToStandardError(absl::string_view line);

class Logger {
 public:
  using Fields = std::initializer_list<LogField>;

  // Events below `least` are dropped. `clock` outlives the logger; null: the real one.
  explicit Logger(std::string component, LogLevel least = LogLevel::kInfo,
                  LogSink sink = WriteToStandardError, const Clock* clock = nullptr);

  // The same with one more field, which comes first on every line.
  [[nodiscard]] Logger With(LogField field) const;

  void Debug(absl::string_view text, Fields fields = {}) const;
  void Info(absl::string_view text, Fields fields = {}) const;
  void Warning(absl::string_view text, Fields fields = {}) const;
  void Error(absl::string_view text, Fields fields = {}) const;

 private:
  void Write(LogLevel level, absl::string_view text, Fields fields) const;

  std::string component_;
  LogLevel least_;
  LogSink sink_;
  const Clock* clock_;
  std::vector<LogField> fields_;
};

}  // namespace sextant
