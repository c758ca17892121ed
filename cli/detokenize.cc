#include <CLI/CLI.hpp>
#include <charconv>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/commands.h"
#include "cli/standard_streams.h"
#include "common/base/status.h"
#include "router/tokenizer/model_tokenizer.h"

namespace sextant::cli {
namespace {

constexpr std::size_t kMaxInputBytes = std::size_t{1} << 30U;
constexpr std::string_view kSeparators = " ,\n\r\t";

absl::StatusOr<std::vector<Tokenizer::Id>> ParseIds(std::string_view text) {
  std::vector<Tokenizer::Id> ids;
  for (std::size_t at = text.find_first_not_of(kSeparators); at != std::string_view::npos;
       at = text.find_first_not_of(kSeparators, at)) {
    const std::size_t end = std::min(text.find_first_of(kSeparators, at), text.size());
    const std::string_view word = text.substr(at, end - at);
    Tokenizer::Id id = -1;
    const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), id);
    if (error != std::errc() || stop != word.data() + word.size() || id < 0) {
      const std::string_view shown = word.substr(0, 40);
      return absl::InvalidArgumentError(absl::StrCat(
          "\"", absl::string_view(shown.data(), shown.size()), "\" at byte ", at,
          " is no token id; give whole numbers between spaces, commas or line breaks"));
    }
    ids.push_back(id);
    at = end;
  }
  return ids;
}

absl::Status Run(const std::string& model_dir) {
  ASSIGN_OR_RETURN(const auto model, ModelTokenizer::Load(model_dir));
  ASSIGN_OR_RETURN(const std::string text, ReadStandardInput(kMaxInputBytes));
  ASSIGN_OR_RETURN(const std::vector<Tokenizer::Id> ids, ParseIds(text));
  ASSIGN_OR_RETURN(const std::string bytes, model->tokenizer().Decode(ids));
  return WriteStandardOutput(bytes);
}

}  // namespace

void AddDetokenizeCommand(CLI::App& app, int& exit_code) {
  auto model_dir = std::make_shared<std::string>();
  CLI::App* command =
      app.add_subcommand("detokenize", "Write the text of the token ids on standard input");
  command->footer(
      "\nIds are separated by spaces, commas or line breaks. Exactly the tokens' bytes are "
      "written,\n"
      "without a line break of its own; special tokens are written as they are spelled.\n"
      "No weights are needed.\n\n"
      "  echo 17464, 11, 1843 | sextant detokenize --model models/v2-lite");
  command
      ->add_option("--model", *model_dir,
                   "The model's directory, with tokenizer.json and tokenizer_config.json")
      ->required()
      ->type_name("DIR");
  command->callback(
      [model_dir, &exit_code] { exit_code = ExitCode("detokenize", Run(*model_dir)); });
}

}  // namespace sextant::cli
