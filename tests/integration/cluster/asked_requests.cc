#include "tests/integration/cluster/asked_requests.h"

#include <stdio.h>

#include <array>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/client/inference_client.h"
#include "common/base/status.h"
#include "tests/support/temp_dir.h"

namespace sextant {
namespace {

using nlohmann::json;

json AsLine(const v1::GenerateRequest& request) {
  const v1::SamplingParams& sampling = request.params().sampling();
  json line = {{"prompt_ids", request.token_ids().ids()},
               {"max_tokens", request.params().max_tokens()},
               {"ignore_eos", request.params().ignore_eos()},
               {"temperature", sampling.temperature()},
               {"top_p", sampling.top_p()},
               {"top_k", sampling.top_k()},
               {"repetition_penalty", sampling.repetition_penalty()},
               {"logprobs", sampling.logprobs()},
               {"seed", sampling.seed()}};
  return line;
}

absl::StatusOr<std::string> RunProgram(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return absl::InternalError("popen failed");
  std::string output;
  std::array<char, 65536> block;
  while (const std::size_t count = fread(block.data(), 1, block.size(), pipe)) {
    output.append(block.data(), count);
  }
  const int status = pclose(pipe);
  if (status != 0) return absl::InternalError(absl::StrCat(command, " ended with ", status));
  return output;
}

// What the streams of one call of AskCluster have got so far.
struct Streams {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<GotAnswer> answers;
  std::size_t begun = 0;
  std::size_t ended = 0;
  absl::Status status;

  void Put(std::size_t index, const v1::GenerateResponse& piece) {
    const std::lock_guard<std::mutex> lock(mutex);
    GotAnswer& answer = answers[index];
    if (answer.ids.empty() && !piece.token_ids().empty()) ++begun;
    answer.ids.insert(answer.ids.end(), piece.token_ids().begin(), piece.token_ids().end());
    for (const v1::TokenLogprobs& token : piece.logprobs()) {
      answer.logprobs.push_back(token.logprob());
    }
    changed.notify_one();
  }
  void End(const absl::Status& how) {
    const std::lock_guard<std::mutex> lock(mutex);
    ++ended;
    if (status.ok()) status = how;
    changed.notify_one();
  }
};

}  // namespace

std::vector<v1::GenerateRequest> MakeRequests(int count, int vocab_size, int max_tokens) {
  std::mt19937 random(17);
  const auto below = [&random](int limit) {
    return static_cast<std::int32_t>(random() % static_cast<unsigned>(limit));
  };
  std::vector<std::int32_t> shared(64);
  for (std::int32_t& id : shared) id = below(vocab_size);
  std::vector<v1::GenerateRequest> requests(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    v1::GenerateRequest& request = requests[static_cast<std::size_t>(i)];
    auto& ids = *request.mutable_token_ids()->mutable_ids();
    if (i % 2 == 1) ids.Add(shared.begin(), shared.end());
    for (int own = 1 + below(26); own > 0; --own) ids.Add(below(vocab_size));
    v1::GenerationParams& params = *request.mutable_params();
    params.set_max_tokens(max_tokens);
    params.set_ignore_eos(true);
    v1::SamplingParams& sampling = *params.mutable_sampling();
    sampling.set_temperature(i % 4 == 0 ? 0.0F : 1.0F);
    sampling.set_top_p(i % 3 == 0 ? 0.875F : 1.0F);
    sampling.set_top_k(i % 5 == 0 ? 20 : 0);
    sampling.set_repetition_penalty(i % 7 == 0 ? 1.25F : 1.0F);
    sampling.set_logprobs(1);
    sampling.set_seed(static_cast<std::uint64_t>(1000 + i));
  }
  return requests;
}

absl::StatusOr<std::vector<GotAnswer>> AskOneProcess(
    const std::string& model, const std::vector<v1::GenerateRequest>& requests) {
  const TempDir dir;
  std::string lines;
  for (const v1::GenerateRequest& request : requests) {
    absl::StrAppend(&lines, AsLine(request).dump(), "\n");
  }
  const std::string path = dir.Write("requests.jsonl", lines);
  ASSIGN_OR_RETURN(const std::string output,
                   RunProgram(absl::StrCat("'", SEXTANT_PROGRAM, "' generate --model '", model,
                                           "' --requests '", path, "' 2>/dev/null")));
  std::vector<GotAnswer> answers;
  for (absl::string_view line : absl::StrSplit(output, '\n', absl::SkipEmpty())) {
    const json object = json::parse(line);
    GotAnswer answer{.ids = object.at("ids").get<std::vector<std::int32_t>>(), .logprobs = {}};
    for (const json& token : object.at("logprobs")) {
      answer.logprobs.push_back(token.at("logprob").get<float>());
    }
    answers.push_back(std::move(answer));
  }
  return answers;
}

absl::StatusOr<std::vector<GotAnswer>> AskCluster(const std::string& target,
                                                  const std::vector<v1::GenerateRequest>& requests,
                                                  absl::FunctionRef<void()> meanwhile,
                                                  absl::Duration timeout) {
  cli::InferenceClient client(target);
  Streams streams;
  streams.answers.resize(requests.size());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    static_cast<void>(client.Generate(
        requests[i], {.timeout = timeout},
        [&streams, i](const v1::GenerateResponse& piece) { streams.Put(i, piece); },
        [&streams](const absl::Status& status) { streams.End(status); }));
  }
  std::unique_lock<std::mutex> lock(streams.mutex);
  const auto all_begun = [&] {
    return streams.begun == requests.size() || streams.ended == requests.size();
  };
  streams.changed.wait(lock, all_begun);
  lock.unlock();
  meanwhile();
  lock.lock();
  streams.changed.wait(lock, [&] { return streams.ended == requests.size(); });
  if (!streams.status.ok()) return streams.status;
  return std::move(streams.answers);
}

}  // namespace sextant
