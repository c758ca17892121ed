// `sextant top`: the cluster as it is now, again and again.
#include <grpcpp/client_context.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/admin/top_view.h"
#include "cli/client/status_text.h"
#include "cli/commands.h"
#include "cli/standard_streams.h"
#include "common/base/status.h"
#include "common/rpc/channel.h"
#include "common/rpc/status.h"
#include "proto/sextant/v1/admin.grpc.pb.h"

namespace sextant::cli {
namespace {

constexpr absl::Duration kDialPause = absl::Milliseconds(500);
constexpr absl::Duration kRepaintEvery = absl::Milliseconds(100);

struct Options {
  std::string router = "127.0.0.1:7070";
  std::int64_t count = 0;
  double every_s = 1;
};

TopSize ScreenSize() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return {};
  return {.columns = size.ws_col, .rows = size.ws_row};
}

// Over the last screen, so that nothing flickers.
absl::Status Repaint(const v1::ClusterStatus& status, const std::string& note) {
  std::string text = "\033[H";
  std::vector<std::string> lines = TopScreen(status, ScreenSize());
  if (!note.empty()) lines.front() = note;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    absl::StrAppend(&text, i == 0 ? "" : "\n", lines[i], "\033[K");
  }
  return WriteStandardOutput(text + "\033[J");
}

// Events that have not been shown, then the line.
class PlainLines {
 public:
  absl::Status Show(const v1::ClusterStatus& status) {
    std::string text;
    const auto& events = status.events();
    int first = 0;
    for (int i = events.size(); i-- > 0 && first == 0;) {
      if (events[i] == last_event_) first = i + 1;
    }
    for (int i = first; i < events.size(); ++i) absl::StrAppend(&text, events[i], "\n");
    if (!events.empty()) last_event_ = *events.rbegin();
    const std::string now =
        absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ ", absl::Now(), absl::UTCTimeZone());
    return WriteStandardOutput(absl::StrCat(text, now, TopLine(status), "\n"));
  }

 private:
  std::string last_event_;
};

absl::Status Run(const Options& options) {
  const bool is_terminal = isatty(STDOUT_FILENO) == 1;
  const auto stub = v1::Admin::NewStub(OpenChannel(options.router));
  const absl::Duration every = is_terminal ? kRepaintEvery : absl::Seconds(options.every_s);
  PlainLines plain;
  v1::ClusterStatus status;
  absl::Time shown = absl::InfinitePast();
  std::int64_t count = 0;
  if (is_terminal) RETURN_IF_ERROR(WriteStandardOutput("\033[2J"));
  while (true) {
    grpc::ClientContext context;
    const auto stream = stub->Watch(&context, {});
    while (stream->Read(&status)) {
      if (absl::Now() - shown < every) continue;
      shown = absl::Now();
      RETURN_IF_ERROR(is_terminal ? Repaint(status, "") : plain.Show(status));
      if (++count != options.count) continue;
      context.TryCancel();
      static_cast<void>(stream->Finish());
      return WriteStandardOutput(is_terminal ? "\n" : "");
    }
    const absl::Status ended = FromGrpc(stream->Finish());
    // A router that was there may be started again.
    if (count == 0) return absl::Status(ended.code(), StatusText(ended, options.router));
    if (is_terminal) {
      RETURN_IF_ERROR(Repaint(status, "the router does not answer; dialling it again"));
    }
    absl::SleepFor(kDialPause);
  }
}

}  // namespace

void AddTopCommand(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "top", "Watch the cluster: tokens, queue, caches, experts by worker, epochs and events");
  command->footer(
      "\nOn a terminal one screen, painted over again with every change, until Ctrl-C. Otherwise "
      "a\n"
      "line every second, and every event once.\n\n"
      "  sextant top\n"
      "  sextant top --count 1 | cat");
  command->add_option("--router", options->router, "Where the cluster listens")
      ->capture_default_str()
      ->type_name("HOST:PORT");
  command->add_option("--count", options->count, "End after so many; 0: never")
      ->check(CLI::Range(0, 1 << 30))
      ->capture_default_str()
      ->type_name("N");
  command->add_option("--every", options->every_s, "Between two lines, where there is no terminal")
      ->check(CLI::Range(0.01, 3600.0))
      ->capture_default_str()
      ->type_name("SECONDS");
  command->callback([options, &exit_code] { exit_code = ExitCode("top", Run(*options)); });
}

}  // namespace sextant::cli
