// Sends many requests to a served model and times what comes back.
//
// Closed loop: `concurrency` requests are always under way, the next one starts when one ends.
// Open loop:   requests start at random moments (exponential pauses), `rate` a second on average,
//              whatever the server makes of it, so that its queue is part of what is measured.
// Prompts are random ids made from the seed and the request's number: the same options ask the same
// questions in every run, and no two requests share a beginning.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "cli/client/inference_client.h"

namespace sextant::cli {

struct LoadOptions {
  std::int64_t requests = 0;
  int concurrency = 0;           // closed loop
  std::optional<double> rate{};  // open loop, requests a second
  std::int64_t prompt_tokens = 0;
  std::int32_t max_tokens = 0;  // every answer is so long: end tokens are ignored
  std::uint64_t seed = 0;
  absl::Duration timeout = absl::InfiniteDuration();  // of one request
  std::int64_t vocab_size = 0;
};

// One request; times since the run's start.
struct RequestTimes {
  absl::Duration start;
  absl::Duration end;
  // When each token came; those of one message came together.
  std::vector<absl::Duration> tokens{};
  absl::Status status{};
};

struct LoadResult {
  std::vector<RequestTimes> requests;  // by number
  absl::Duration wall;                 // from the first start to the last end
};

// The `number`-th request of a run.
[[nodiscard]] v1::GenerateRequest MakeLoadRequest(const LoadOptions& options, std::int64_t number);

// When each request of an open loop starts.
[[nodiscard]] std::vector<absl::Duration> OpenLoopStarts(const LoadOptions& options);

// Blocks until every request has ended. `progress` hears about ten times a second how many have;
// when it returns false the rest is cancelled.
[[nodiscard]] LoadResult RunLoad(InferenceClient& client, const LoadOptions& options,
                                 absl::FunctionRef<bool(std::int64_t ended)> progress);

}  // namespace sextant::cli
