// `sextant logits`: the logits of every position, for comparing with another implementation.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <string>

#include "absl/strings/str_cat.h"
#include "cli/commands.h"
#include "cli/engine/local_engine.h"
#include "cli/engine_flags.h"
#include "cli/generation_flags.h"
#include "cli/standard_streams.h"
#include "common/base/status.h"

namespace sextant::cli {
namespace {

// Positions per step: bounds the memory that V logits of each take.
constexpr std::int64_t kChunk = 64;

struct LogitsOptions {
  EngineFlags engine;
  std::string ids;
  std::int64_t last = 0;
};

void AppendFloat(float value, std::string& line) {
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof(digits), value).ptr;  // shortest exact
  line.append(digits, end);
}

absl::Status PrintPosition(std::int64_t position, std::int32_t id, const float* logits,
                           std::int64_t vocab_size) {
  std::string line = absl::StrCat("{\"position\":", position, ",\"id\":", id, ",\"logits\":[");
  for (std::int64_t i = 0; i < vocab_size; ++i) {
    if (i > 0) line += ',';
    AppendFloat(logits[i], line);
  }
  line += "]}\n";
  return WriteStandardOutput(line);
}

// So that a prompt that cannot be computed to its end prints nothing at all.
absl::Status CheckIds(const std::vector<std::int32_t>& ids, const ModelConfig& model) {
  if (static_cast<std::int64_t>(ids.size()) > model.max_position_embeddings) {
    return absl::InvalidArgumentError(absl::StrCat("--ids: ", ids.size(),
                                                   " tokens do not fit the model's context of ",
                                                   model.max_position_embeddings, "; give fewer"));
  }
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] >= 0 && ids[i] < model.vocab_size) continue;
    return absl::InvalidArgumentError(absl::StrCat("--ids: token id ", ids[i], " at position ", i,
                                                   " is outside the vocabulary; ids go from 0 to ",
                                                   model.vocab_size - 1));
  }
  return absl::OkStatus();
}

absl::Status Logits(const LogitsOptions& options) {
  ASSIGN_OR_RETURN(const std::vector<std::int32_t> ids, ParseIds("--ids", options.ids));
  const auto length = static_cast<std::int64_t>(ids.size());
  if (length == 0) return absl::InvalidArgumentError("--ids: give at least one token id");
  if (options.last < 0 || options.last > length) {
    return absl::InvalidArgumentError(
        absl::StrCat("--last ", options.last, ": there are ", length,
                     " positions; give a number up to that, or 0 for all"));
  }
  ASSIGN_OR_RETURN(EngineConfig config, MakeEngineConfig(options.engine));
  ASSIGN_OR_RETURN(const std::unique_ptr<LocalEngine> local,
                   LocalEngine::Open(options.engine.model, config, {.min_cache_tokens = length}));
  RETURN_IF_ERROR(CheckIds(ids, local->model()));

  const std::int64_t wanted_from = options.last > 0 ? length - options.last : 0;
  SequenceBlocks blocks(local->cache());
  for (std::int64_t begin = 0; begin < length;) {
    // Long chunks until logits are wanted, short ones from there on.
    const std::int64_t end = begin < wanted_from
                                 ? std::min(begin + config.max_batch_tokens, wanted_from)
                                 : std::min(begin + kChunk, length);
    RETURN_IF_ERROR(blocks.PrepareWrite(begin, end));
    const SequenceSlice slice{
        .token_ids = absl::MakeConstSpan(ids).subspan(static_cast<std::size_t>(begin),
                                                      static_cast<std::size_t>(end - begin)),
        .start = begin,
        .generated = false,
        .blocks = &blocks,
        .num_logits = begin < wanted_from ? 0 : end - begin};
    ASSIGN_OR_RETURN(const MatrixView<const float> logits,
                     ForwardLogits(local->step_model(), {slice}));
    for (std::int64_t i = 0; i < logits.rows; ++i) {
      const std::int64_t position = begin + i;
      RETURN_IF_ERROR(PrintPosition(position, ids[static_cast<std::size_t>(position)],
                                    logits.Row(i), logits.cols));
    }
    begin = end;
  }
  return absl::OkStatus();
}

}  // namespace

void AddLogitsCommand(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<LogitsOptions>();
  CLI::App* command = app.add_subcommand(
      "logits",
      "Print the logits after each token of a prompt, in full precision, one JSON object a line:\n"
      "  {\"position\":0,\"id\":1,\"logits\":[...]}");
  AddEngineFlags(*command, options->engine);
  command->add_option("--ids", options->ids, "The prompt's token ids: 1,2,3")->required();
  command->add_option("--last", options->last, "Only the last N positions [all]");
  command->callback([options, &exit_code] { exit_code = ExitCode("logits", Logits(*options)); });
}

}  // namespace sextant::cli
