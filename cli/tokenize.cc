#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/standard_streams.h"
#include "common/base/status.h"
#include "router/tokenizer/model_tokenizer.h"
#include "router/tokenizer/utf8.h"

namespace sextant::cli {
namespace {

constexpr std::size_t kMaxTextBytes = std::size_t{1} << 30U;

struct Options {
  std::string model;
  bool bos = false;
  bool json = false;
};

// A token's text, or, where its bytes are no text by themselves, the bytes as numbers.
nlohmann::json Piece(std::string_view bytes) {
  std::string replaced;
  AppendReplacingBroken(bytes, replaced);
  if (replaced == bytes) return replaced;
  nlohmann::json numbers = nlohmann::json::array();
  for (const char byte : bytes) numbers.push_back(static_cast<unsigned char>(byte));
  return numbers;
}

absl::Status Run(const Options& options) {
  ASSIGN_OR_RETURN(const auto model, ModelTokenizer::Load(options.model));
  const Tokenizer& tokenizer = model->tokenizer();
  ASSIGN_OR_RETURN(const std::string text, ReadStandardInput(kMaxTextBytes));
  ASSIGN_OR_RETURN(std::vector<Tokenizer::Id> ids, tokenizer.Encode(text));
  if (options.bos) {
    if (!model->bos_id()) {
      return absl::FailedPreconditionError("--bos: tokenizer_config.json names no bos_token");
    }
    ids.insert(ids.begin(), *model->bos_id());
  }
  std::string line;
  if (options.json) {
    nlohmann::json pieces = nlohmann::json::array();
    for (const Tokenizer::Id id : ids) pieces.push_back(Piece(*tokenizer.Bytes(id)));
    line = nlohmann::json{{"ids", ids}, {"pieces", pieces}}.dump();
  } else {
    for (const Tokenizer::Id id : ids) {
      if (!line.empty()) line += ' ';
      line += std::to_string(id);
    }
  }
  return WriteStandardOutput(line + "\n");
}

}  // namespace

void AddTokenizeCommand(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("tokenize", "Print the token ids of the text on standard input");
  command->footer(
      "\nThe text is taken byte for byte: a line break at its end counts, and text that spells a\n"
      "special token stays text. No weights are needed.\n\n"
      "  printf 'Hello, world' | sextant tokenize --model models/v2-lite\n"
      "  sextant tokenize --model models/v2-lite --json < README.md");
  command
      ->add_option("--model", options->model,
                   "The model's directory, with tokenizer.json and tokenizer_config.json")
      ->required()
      ->type_name("DIR");
  command->add_flag("--bos", options->bos, "Begin with the model's begin-of-sentence token");
  command->add_flag("--json", options->json,
                    "Print {\"ids\": [...], \"pieces\": [...]}; a piece that is no UTF-8 text by "
                    "itself is a list of its bytes");
  command->callback([options, &exit_code] { exit_code = ExitCode("tokenize", Run(*options)); });
}

}  // namespace sextant::cli
