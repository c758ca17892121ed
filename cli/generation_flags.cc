#include "cli/generation_flags.h"

#include <CLI/CLI.hpp>
#include <limits>
#include <random>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/status.h"

namespace sextant::cli {
namespace {

constexpr char kSampling[] = "Sampling";

absl::StatusOr<std::vector<LogitBias>> ParseLogitBias(absl::string_view text) {
  std::vector<LogitBias> biases;
  for (absl::string_view item : absl::StrSplit(text, ',', absl::SkipWhitespace())) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(item, absl::MaxSplits(':', 1));
    LogitBias bias;
    if (!absl::SimpleAtoi(parts.first, &bias.id) || !absl::SimpleAtof(parts.second, &bias.bias)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--logit-bias: \"", item, "\" is not ID:BIAS, such as 1734:-100"));
    }
    biases.push_back(bias);
  }
  return biases;
}

}  // namespace

void AddGenerationFlags(CLI::App& command, GenerationFlags& flags) {
  const auto add = [&command](const char* name, auto& value, const char* help) {
    command.add_option(name, value, help)->group(kSampling);
  };
  add("-n,--max-tokens", flags.max_tokens, "Generate at most so many tokens [256]");
  add("--temperature", flags.temperature, "0 always takes the likeliest token [the model's]");
  add("--top-k", flags.top_k, "Choose among so many of the likeliest; 0: all [the model's]");
  add("--top-p", flags.top_p, "Choose among the likeliest that reach this share [the model's]");
  add("--min-p", flags.min_p, "Drop tokens below this share of the likeliest one [0]");
  add("--repetition-penalty", flags.repetition_penalty,
      "Above 1: tokens of prompt and output become less likely [1]");
  add("--presence-penalty", flags.presence_penalty,
      "Above 0: tokens of the output become less likely [0]");
  add("--frequency-penalty", flags.frequency_penalty,
      "Above 0: the same, by how often they occurred [0]");
  add("--logit-bias", flags.logit_bias, "Add to the logits of tokens: ID:BIAS,ID:BIAS,...");
  add("--seed", flags.seed, "The same seed gives the same tokens [random; printed at the end]");
  add("--stop", flags.stop, "End before this text; may be given several times");
  command.add_flag("--ignore-eos", flags.ignore_eos, "Go on after the model's end token")
      ->group(kSampling);
}

absl::StatusOr<SamplingParams> MakeSamplingParams(const GenerationFlags& flags,
                                                  const SamplingParams& defaults) {
  SamplingParams params = defaults;
  const auto lay_over = [](const auto& given, auto& value) {
    if (given.has_value()) value = *given;
  };
  lay_over(flags.temperature, params.temperature);
  lay_over(flags.top_k, params.top_k);
  lay_over(flags.top_p, params.top_p);
  lay_over(flags.min_p, params.min_p);
  lay_over(flags.repetition_penalty, params.repetition_penalty);
  lay_over(flags.presence_penalty, params.presence_penalty);
  lay_over(flags.frequency_penalty, params.frequency_penalty);
  ASSIGN_OR_RETURN(params.logit_bias, ParseLogitBias(flags.logit_bias));
  if (flags.seed.has_value()) {
    params.seed = *flags.seed;
  } else {
    std::random_device device;
    params.seed = device();  // 32 bits: short enough to type again
  }
  return params;
}

absl::StatusOr<v1::GenerationParams> ToGenerationParams(const GenerationFlags& flags) {
  v1::GenerationParams params;
  v1::SamplingParams& sampling = *params.mutable_sampling();
  if (flags.temperature.has_value()) sampling.set_temperature(*flags.temperature);
  if (flags.top_k.has_value()) sampling.set_top_k(*flags.top_k);
  if (flags.top_p.has_value()) sampling.set_top_p(*flags.top_p);
  if (flags.min_p.has_value()) sampling.set_min_p(*flags.min_p);
  if (flags.repetition_penalty.has_value()) {
    sampling.set_repetition_penalty(*flags.repetition_penalty);
  }
  if (flags.presence_penalty.has_value()) sampling.set_presence_penalty(*flags.presence_penalty);
  if (flags.frequency_penalty.has_value()) sampling.set_frequency_penalty(*flags.frequency_penalty);
  if (flags.seed.has_value()) sampling.set_seed(*flags.seed);
  ASSIGN_OR_RETURN(const std::vector<LogitBias> biases, ParseLogitBias(flags.logit_bias));
  for (const LogitBias& bias : biases) {
    v1::LogitBias& added = *sampling.add_logit_bias();
    added.set_token_id(bias.id);
    added.set_bias(bias.bias);
  }
  if (flags.max_tokens < 1 || flags.max_tokens > std::numeric_limits<std::int32_t>::max()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--max-tokens ", flags.max_tokens, ": give a number from 1 on"));
  }
  params.set_max_tokens(static_cast<std::int32_t>(flags.max_tokens));
  params.mutable_stop()->Add(flags.stop.begin(), flags.stop.end());
  params.set_ignore_eos(flags.ignore_eos);
  return params;
}

absl::StatusOr<std::vector<std::int32_t>> ParseIds(absl::string_view flag, absl::string_view text) {
  std::vector<std::int32_t> ids;
  for (absl::string_view item :
       absl::StrSplit(text, absl::ByAnyChar(", \n\t"), absl::SkipEmpty())) {
    std::int32_t id = 0;
    if (!absl::SimpleAtoi(item, &id)) {
      return absl::InvalidArgumentError(
          absl::StrCat(flag, ": \"", item, "\" is no token id; give whole numbers, as in 1,2,3"));
    }
    ids.push_back(id);
  }
  return ids;
}

}  // namespace sextant::cli
