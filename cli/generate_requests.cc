#include "cli/generate_requests.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/standard_streams.h"
#include "common/base/status.h"

namespace sextant::cli {
namespace {

using nlohmann::json;

struct ParsedRequest {
  std::string place;  // file and line
  GenerationRequest request;
  std::vector<std::string> stop;
};

// Whether `value` is of the kind that `to` takes, and fits it; the library would cut it to size.
template <typename T>
bool Convert(const json& value, T& to) {
  if constexpr (std::is_same_v<T, json>) {
    to = value;
  } else if constexpr (std::is_same_v<T, bool>) {
    if (!value.is_boolean()) return false;
    to = value.get<bool>();
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (!value.is_string()) return false;
    to = value.get<std::string>();
  } else if constexpr (std::is_floating_point_v<T>) {
    if (!value.is_number()) return false;
    to = static_cast<T>(value.get<double>());
    return std::isfinite(to);
  } else {
    if (value.is_number_unsigned()) {
      if (!std::in_range<T>(value.get<std::uint64_t>())) return false;
      to = static_cast<T>(value.get<std::uint64_t>());
    } else {
      if (!value.is_number_integer() || !std::in_range<T>(value.get<std::int64_t>())) return false;
      to = static_cast<T>(value.get<std::int64_t>());
    }
  }
  return true;
}

template <typename T>
bool Convert(const json& value, std::vector<T>& to) {
  if (!value.is_array()) return false;
  to.clear();
  return std::all_of(value.begin(), value.end(),
                     [&to](const json& item) { return Convert(item, to.emplace_back()); });
}

// Takes `key` out of `object` when it is there. Errors: InvalidArgument for a value that T has not.
template <typename T>
absl::Status Take(json& object, const char* key, T& value) {
  const auto found = object.find(key);
  if (found == object.end()) return absl::OkStatus();
  if (!Convert(*found, value)) {
    std::string text = found->dump(-1, ' ', true, json::error_handler_t::replace);
    if (text.size() > 100) text = text.substr(0, 100) + "...";
    return absl::InvalidArgumentError(absl::StrCat("\"", key, "\" cannot be ", text));
  }
  object.erase(found);
  return absl::OkStatus();
}

template <typename T>
absl::Status Take(json& object, const char* key, std::optional<T>& value) {
  if (!object.contains(key)) return absl::OkStatus();
  T taken{};
  RETURN_IF_ERROR(Take(object, key, taken));
  value = taken;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::int32_t>> TakePrompt(json& object, const ModelText& text) {
  const int kinds = static_cast<int>(object.contains("messages")) +
                    static_cast<int>(object.contains("prompt")) +
                    static_cast<int>(object.contains("prompt_ids"));
  if (kinds != 1) {
    return absl::InvalidArgumentError("give one of messages, prompt and prompt_ids");
  }
  if (object.contains("messages")) {
    json messages;
    RETURN_IF_ERROR(Take(object, "messages", messages));
    return text.EncodeChat(messages);
  }
  if (object.contains("prompt")) {
    std::string prompt;
    RETURN_IF_ERROR(Take(object, "prompt", prompt));
    return text.EncodePrompt(prompt);
  }
  std::vector<std::int32_t> ids;
  RETURN_IF_ERROR(Take(object, "prompt_ids", ids));
  return ids;
}

absl::StatusOr<ParsedRequest> ParseRequest(const std::string& line, GenerationFlags flags,
                                           const ModelText& text) {
  json object = json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) {
    return absl::InvalidArgumentError(
        "not a JSON object; write one request a line, such as {\"prompt_ids\":[1,2]}");
  }
  ParsedRequest parsed;
  ASSIGN_OR_RETURN(parsed.request.prompt_ids, TakePrompt(object, text));
  RETURN_IF_ERROR(Take(object, "max_tokens", flags.max_tokens));
  RETURN_IF_ERROR(Take(object, "temperature", flags.temperature));
  RETURN_IF_ERROR(Take(object, "top_k", flags.top_k));
  RETURN_IF_ERROR(Take(object, "top_p", flags.top_p));
  RETURN_IF_ERROR(Take(object, "min_p", flags.min_p));
  RETURN_IF_ERROR(Take(object, "repetition_penalty", flags.repetition_penalty));
  RETURN_IF_ERROR(Take(object, "presence_penalty", flags.presence_penalty));
  RETURN_IF_ERROR(Take(object, "frequency_penalty", flags.frequency_penalty));
  RETURN_IF_ERROR(Take(object, "seed", flags.seed));
  RETURN_IF_ERROR(Take(object, "stop", flags.stop));
  RETURN_IF_ERROR(Take(object, "ignore_eos", flags.ignore_eos));
  std::optional<std::int32_t> logprobs;
  RETURN_IF_ERROR(Take(object, "logprobs", logprobs));
  if (!object.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("unknown field \"", object.begin().key(), "\""));
  }
  ASSIGN_OR_RETURN(parsed.request.sampling, MakeSamplingParams(flags, text.default_sampling()));
  parsed.request.sampling.logprobs = logprobs;
  parsed.request.max_tokens = flags.max_tokens;
  if (!flags.ignore_eos) parsed.request.stop_ids = text.eos_ids();
  parsed.stop = flags.stop;
  return parsed;
}

absl::StatusOr<std::vector<ParsedRequest>> ReadRequests(std::istream& input,
                                                        const std::string& path,
                                                        const GenerationFlags& defaults,
                                                        const ModelText& text) {
  std::vector<ParsedRequest> requests;
  std::string line;
  for (int number = 1; std::getline(input, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const std::string place = absl::StrCat(path == "-" ? "standard input" : path, ":", number);
    absl::StatusOr<ParsedRequest> request = ParseRequest(line, defaults, text);
    if (!request.ok()) return AddContext(request.status(), place);
    request->place = place;
    requests.push_back(*std::move(request));
  }
  return requests;
}

// One request under way, or waiting to be written in its turn.
struct Answer {
  std::unique_ptr<TextStream> stream;
  std::string text;
  std::vector<std::int32_t> ids;
  json logprobs = json::array();
  bool with_logprobs = false;
  std::string finish_reason;  // empty while under way
};

json LogprobsOf(const SampledToken& token) {
  json heaviest = json::array();
  for (const TokenLogprob& entry : token.heaviest) heaviest.push_back({entry.id, entry.logprob});
  return {{"logprob", token.logprob}, {"top", std::move(heaviest)}};
}

absl::Status Apply(const TokenEvent& event, Engine& engine, Answer& answer) {
  RETURN_IF_ERROR(event.token.status());
  answer.ids.push_back(event.token->id);
  if (answer.with_logprobs) answer.logprobs.push_back(LogprobsOf(*event.token));
  if (event.finish != FinishReason::kStop) {
    ASSIGN_OR_RETURN(const TextDelta delta, answer.stream->Push(event.token->id));
    answer.text += delta.text;
    if (delta.stopped) {
      engine.Cancel(event.sequence);
      answer.finish_reason = "stop";
      return absl::OkStatus();
    }
  }
  if (event.finish.has_value()) {
    answer.text += answer.stream->Flush();
    answer.finish_reason = *event.finish == FinishReason::kStop ? "stop" : "length";
  }
  return absl::OkStatus();
}

absl::Status Write(const Answer& answer) {
  nlohmann::ordered_json line = {
      {"text", answer.text}, {"ids", answer.ids}, {"finish_reason", answer.finish_reason}};
  if (answer.with_logprobs) line["logprobs"] = answer.logprobs;
  return WriteStandardOutput(line.dump(-1, ' ', false, json::error_handler_t::replace) + "\n");
}

}  // namespace

absl::Status GenerateRequests(const std::string& path, const GenerationFlags& defaults,
                              LocalEngine& local, const ModelText& text) {
  std::ifstream file;
  if (path != "-") {
    file.open(path);
    if (!file) {
      return absl::NotFoundError(absl::StrCat(
          "--requests: \"", path, "\" cannot be read; name a file, or - for standard input"));
    }
  }
  ASSIGN_OR_RETURN(std::vector<ParsedRequest> requests,
                   ReadRequests(path == "-" ? std::cin : file, path, defaults, text));

  Engine engine = local.MakeEngine(text.banned_ids());
  std::map<std::int64_t, Answer> answers;  // by sequence number: the order of the lines
  for (ParsedRequest& request : requests) {
    Answer answer;
    answer.stream = MakeTextStream(text, request.stop);
    answer.with_logprobs = request.request.sampling.logprobs.has_value();
    const absl::StatusOr<std::int64_t> sequence = engine.Submit(std::move(request.request));
    if (!sequence.ok()) return AddContext(sequence.status(), request.place);
    answers.emplace(*sequence, std::move(answer));
  }
  while (!engine.idle()) {
    ASSIGN_OR_RETURN(const std::vector<TokenEvent> events, engine.Step());
    for (const TokenEvent& event : events) {
      RETURN_IF_ERROR(Apply(event, engine, answers.at(event.sequence)));
    }
    while (!answers.empty() && !answers.begin()->second.finish_reason.empty()) {
      RETURN_IF_ERROR(Write(answers.begin()->second));
      answers.erase(answers.begin());
    }
  }
  return absl::OkStatus();
}

}  // namespace sextant::cli
