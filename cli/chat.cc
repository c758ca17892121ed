// `sextant chat`: a conversation with a running cluster.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "cli/client/conversation.h"
#include "cli/client/inference_client.h"
#include "cli/client/status_text.h"
#include "cli/commands.h"
#include "cli/generation_flags.h"
#include "cli/standard_streams.h"
#include "common/base/status.h"

namespace sextant::cli {
namespace {

constexpr char kHelp[] =
    "  /new    forget what was said\n"
    "  /quit   leave (also Ctrl-D)\n"
    "  Ctrl-C  cancel the answer that is being written\n";

struct Options {
  std::string router = "127.0.0.1:7070";
  std::string model;
  std::string system;
  std::string message;
  double timeout_s = 0;
  GenerationFlags generation;
};

std::atomic<bool> interrupted = false;
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler writes it");

// Without SA_RESTART, so that reading a line returns.
void CatchInterrupts() {
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = true; };
  sigaction(SIGINT, &action, nullptr);
}

// The next line without its break; nothing at the end of input. Empty when interrupted.
std::optional<std::string> ReadLine(std::string& rest) {
  while (true) {
    if (const std::size_t end = rest.find('\n'); end != std::string::npos) {
      std::string line = rest.substr(0, end);
      rest.erase(0, end + 1);
      return line;
    }
    std::array<char, 4096> block;
    const ssize_t count = read(STDIN_FILENO, block.data(), block.size());
    if (count < 0 && errno == EINTR) {
      rest.clear();
      return "";
    }
    if (count <= 0) {
      if (rest.empty()) return std::nullopt;
      return std::exchange(rest, "");
    }
    rest.append(block.data(), static_cast<std::size_t>(count));
  }
}

void Print(absl::string_view text) {
  if (text.empty()) return;
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

// One line for people who look; nothing in a pipe.
void PrintEnd(const Conversation::End& end) {
  if (isatty(STDERR_FILENO) != 1) return;
  if (end.cancelled) {
    std::fprintf(stderr, "[cancelled]\n");
    return;
  }
  const double decode_s = end.timings.total_seconds() - end.timings.first_token_seconds();
  std::string rate;
  if (end.usage.completion_tokens() > 1 && decode_s > 0) {
    rate = absl::StrCat(
        ", ", static_cast<int>(static_cast<double>(end.usage.completion_tokens() - 1) / decode_s),
        " tokens/s");
  }
  std::fprintf(stderr, "[%lld tokens%s, the first after %.2f s, seed %llu%s]\n",
               static_cast<long long>(end.usage.completion_tokens()), rate.c_str(),
               end.timings.first_token_seconds(), static_cast<unsigned long long>(end.seed),
               end.reason == v1::FINISH_REASON_LENGTH ? ", cut at --max-tokens" : "");
}

absl::Status AskOnce(Conversation& conversation, const Options& options) {
  const auto end = conversation.Ask(options.message, Print, [] { return interrupted.load(); });
  if (!end.ok()) {
    return absl::Status(end.status().code(), StatusText(end.status(), options.router));
  }
  Print("\n");
  PrintEnd(*end);
  return end->cancelled ? absl::CancelledError("the answer was cancelled") : absl::OkStatus();
}

absl::Status Converse(Conversation& conversation, const Options& options) {
  const bool shown = isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1;
  if (shown) std::fprintf(stderr, "%s", kHelp);
  std::string rest;
  while (true) {
    if (shown) Print("> ");
    interrupted = false;
    const std::optional<std::string> line = ReadLine(rest);
    if (!line.has_value() || *line == "/quit") break;
    if (interrupted) {
      if (shown) Print("\n");
      continue;
    }
    const std::string question(absl::StripAsciiWhitespace(*line));
    if (question.empty()) continue;
    if (question == "/new") {
      conversation.Forget();
      continue;
    }
    const auto end = conversation.Ask(question, Print, [] { return interrupted.load(); });
    Print("\n");
    if (end.ok()) {
      PrintEnd(*end);
    } else if (shown) {
      std::fprintf(stderr, "%s\n", StatusText(end.status(), options.router).c_str());
    } else {
      return absl::Status(end.status().code(), StatusText(end.status(), options.router));
    }
  }
  if (shown) Print("\n");
  return absl::OkStatus();
}

absl::Status Chat(const Options& options, bool max_tokens_given) {
  ASSIGN_OR_RETURN(v1::GenerationParams params, ToGenerationParams(options.generation));
  if (!max_tokens_given) params.clear_max_tokens();
  CatchInterrupts();
  InferenceClient client(options.router);
  Conversation conversation(client,
                            {.model = options.model,
                             .system = options.system,
                             .params = std::move(params),
                             .timeout = options.timeout_s > 0 ? absl::Seconds(options.timeout_s)
                                                              : absl::InfiniteDuration()});
  return options.message.empty() ? Converse(conversation, options) : AskOnce(conversation, options);
}

}  // namespace

void AddChatCommand(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("chat", "Talk to the model of a running cluster");
  command->footer(
      "\nWithout --message it reads one question a line and remembers what was said.\n"
      "/new begins anew, Ctrl-C cancels an answer, Ctrl-D ends.\n\n"
      "  sextant chat\n"
      "  sextant chat --message \"Tell me a story about a little bird.\" --seed 1");
  command->add_option("--router", options->router, "Where the cluster listens")
      ->capture_default_str()
      ->type_name("HOST:PORT");
  command->add_option("--message", options->message, "Ask this alone, print the answer, and end")
      ->type_name("TEXT");
  command->add_option("--system", options->system, "A system message that comes first")
      ->type_name("TEXT");
  command->add_option("--model-name", options->model, "The served model [the only one]")
      ->type_name("NAME");
  command->add_option("--timeout", options->timeout_s, "Give an answer up after so long [never]")
      ->check(CLI::Range(0.001, 1e6))
      ->type_name("SECONDS");
  AddGenerationFlags(*command, options->generation);
  command->callback([options, command, &exit_code] {
    exit_code = ExitCode("chat", Chat(*options, command->get_option("--max-tokens")->count() > 0));
  });
}

}  // namespace sextant::cli
