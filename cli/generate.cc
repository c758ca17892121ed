// `sextant generate`: one prompt, streamed; or a file of requests, batched.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "cli/commands.h"
#include "cli/engine/local_engine.h"
#include "cli/engine_flags.h"
#include "cli/generate_requests.h"
#include "cli/generation_flags.h"
#include "cli/standard_streams.h"
#include "cli/text_stream.h"
#include "common/base/status.h"

namespace sextant::cli {
namespace {

using Clock = std::chrono::steady_clock;

struct GenerateOptions {
  EngineFlags engine;
  // Exactly one of these is given; any may be empty text.
  std::optional<std::string> prompt;
  std::optional<std::string> prompt_ids;
  std::optional<std::string> chat;
  std::optional<std::string> requests;
  GenerationFlags generation;
};

double SecondsBetween(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration<double>(end - begin).count();
}

absl::StatusOr<std::vector<std::int32_t>> PromptOf(const GenerateOptions& options,
                                                   const ModelText& text) {
  if (options.prompt_ids.has_value()) return ParseIds("--prompt-ids", *options.prompt_ids);
  if (options.chat.has_value()) return EncodeChatText(text, *options.chat);
  return text.EncodePrompt(options.prompt.value_or(""));
}

// Writes the text of each token as it comes.
class Printer {
 public:
  Printer(const ModelText& text, const std::vector<std::string>& stop)
      : stream_(MakeTextStream(text, stop)) {}

  // Whether a stop string has ended the text.
  absl::StatusOr<bool> Add(std::int32_t id) {
    ASSIGN_OR_RETURN(const TextDelta delta, stream_->Push(id));
    RETURN_IF_ERROR(WriteStandardOutput(delta.text));
    return delta.stopped;
  }
  absl::Status Finish() { return WriteStandardOutput(stream_->Flush() + "\n"); }

 private:
  std::unique_ptr<TextStream> stream_;
};

absl::Status StreamOne(const GenerateOptions& options, LocalEngine& local, const ModelText& text) {
  GenerationRequest request;
  ASSIGN_OR_RETURN(request.prompt_ids, PromptOf(options, text));
  ASSIGN_OR_RETURN(request.sampling,
                   MakeSamplingParams(options.generation, text.default_sampling()));
  request.max_tokens = options.generation.max_tokens;
  if (!options.generation.ignore_eos) request.stop_ids = text.eos_ids();
  const std::size_t prompt_tokens = request.prompt_ids.size();
  const std::uint64_t seed = request.sampling.seed;

  Engine engine = local.MakeEngine(text.banned_ids());
  const Clock::time_point begin = Clock::now();
  ASSIGN_OR_RETURN(const std::int64_t sequence, engine.Submit(std::move(request)));
  Printer printer(text, options.generation.stop);
  Clock::time_point first;
  std::int64_t generated = 0;
  while (!engine.idle()) {
    ASSIGN_OR_RETURN(const std::vector<TokenEvent> events, engine.Step());
    for (const TokenEvent& event : events) {
      RETURN_IF_ERROR(event.token.status());
      if (generated++ == 0) first = Clock::now();
      if (event.finish == FinishReason::kStop) continue;  // the end token has no text
      ASSIGN_OR_RETURN(const bool stopped, printer.Add(event.token->id));
      if (stopped) engine.Cancel(sequence);
    }
  }
  RETURN_IF_ERROR(printer.Finish());
  const Clock::time_point end = Clock::now();
  const double first_s = SecondsBetween(begin, first);
  std::fprintf(stderr, "%zu prompt tokens, %lld generated (seed %llu); first token after %.0f ms",
               prompt_tokens, static_cast<long long>(generated),
               static_cast<unsigned long long>(seed), first_s * 1e3);
  if (generated > 1) {
    std::fprintf(stderr, ", then %.1f tokens/s",
                 static_cast<double>(generated - 1) / SecondsBetween(first, end));
  }
  std::fprintf(stderr, "\n");
  return absl::OkStatus();
}

absl::Status Generate(const GenerateOptions& options) {
  ASSIGN_OR_RETURN(const EngineConfig config, MakeEngineConfig(options.engine));
  ASSIGN_OR_RETURN(std::unique_ptr<LocalEngine> local,
                   LocalEngine::Open(options.engine.model, config));
  ASSIGN_OR_RETURN(const std::unique_ptr<const ModelText> text,
                   ModelText::Load(options.engine.model, local->model()));
  if (options.requests.has_value()) {
    return GenerateRequests(*options.requests, options.generation, *local, *text);
  }
  return StreamOne(options, *local, *text);
}

}  // namespace

void AddGenerateCommand(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<GenerateOptions>();
  CLI::App* command = app.add_subcommand(
      "generate",
      "Generate text in this process, streamed as it comes.\n\n"
      "Example:\n"
      "  sextant generate --model models/demo --chat '[{\"role\":\"user\",\"content\":\"Hi\"}]'\n\n"
      "The text goes to standard output, the timings to standard error. A model folder without\n"
      "a tokenizer works with --prompt-ids, and prints ids.");
  AddEngineFlags(*command, options->engine);
  CLI::Option_group* prompt = command->add_option_group("Prompt", "One of");
  prompt->add_option("-p,--prompt", options->prompt, "Text to go on from");
  prompt->add_option("--prompt-ids", options->prompt_ids, "Token ids to go on from: 1,2,3");
  prompt->add_option("--chat", options->chat,
                     "Messages to answer, as JSON: [{\"role\":\"user\",\"content\":\"...\"}]");
  prompt->add_option("--requests", options->requests,
                     "A file of requests, one JSON object per line, answered together:\n"
                     "{\"messages\":[...]} or {\"prompt\":\"...\"} or {\"prompt_ids\":[...]}, with "
                     "max_tokens,\nseed, stop and the sampling fields; \"-\" reads standard input");
  prompt->require_option(1);
  AddGenerationFlags(*command, options->generation);
  command->callback(
      [options, &exit_code] { exit_code = ExitCode("generate", Generate(*options)); });
}

}  // namespace sextant::cli
