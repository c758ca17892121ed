// Requests whose answers are compared byte by byte, and three ways to have them answered.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "proto/sextant/v1/inference.pb.h"

namespace sextant {

// What a request got: ids, and the bits of the chosen tokens' log-probabilities.
struct GotAnswer {
  std::vector<std::int32_t> ids;
  std::vector<float> logprobs;

  friend bool operator==(const GotAnswer&, const GotAnswer&) = default;
};

// `count` requests for a model of `vocab_size` ids: prompts of 1 to 90 ids, half of which share
// their beginning with others, greedy and sampled, `max_tokens` long. The same every time.
[[nodiscard]] std::vector<v1::GenerateRequest> MakeRequests(int count, int vocab_size,
                                                            int max_tokens);

// By `sextant generate --requests` in one process.
[[nodiscard]] absl::StatusOr<std::vector<GotAnswer>> AskOneProcess(
    const std::string& model, const std::vector<v1::GenerateRequest>& requests);

// By the cluster at `target`, all at once; `meanwhile` runs when every stream has got a token, or
// when all have ended.
// Errors: the first that any of the streams ended with.
[[nodiscard]] absl::StatusOr<std::vector<GotAnswer>> AskCluster(
    const std::string& target, const std::vector<v1::GenerateRequest>& requests,
    absl::FunctionRef<void()> meanwhile = [] {}, absl::Duration timeout = absl::Minutes(1));

}  // namespace sextant
