#include "cli/load/engine_load.h"

#include <chrono>
#include <map>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "common/base/status.h"

namespace sextant::cli {
namespace {

GenerationRequest EngineRequest(const LoadOptions& options, std::int64_t number) {
  const v1::GenerateRequest asked = MakeLoadRequest(options, number);
  GenerationRequest request;
  request.prompt_ids.assign(asked.token_ids().ids().begin(), asked.token_ids().ids().end());
  request.sampling.temperature = asked.params().sampling().temperature();
  request.sampling.seed = asked.params().sampling().seed();
  request.max_tokens = options.max_tokens;
  return request;
}

}  // namespace

absl::StatusOr<LoadResult> RunLoadOnEngine(Engine& engine, const LoadOptions& options,
                                           absl::FunctionRef<void(std::int64_t ended)> progress) {
  const auto begin = std::chrono::steady_clock::now();
  const auto elapsed = [begin] {
    return absl::FromChrono(std::chrono::steady_clock::now() - begin);
  };
  LoadResult result;
  result.requests.resize(static_cast<std::size_t>(options.requests));
  std::map<std::int64_t, std::size_t> numbers;  // of the sequences under way
  std::size_t submitted = 0;
  std::int64_t ended = 0;
  while (ended < options.requests) {
    while (submitted < result.requests.size() &&
           static_cast<int>(numbers.size()) < options.concurrency) {
      result.requests[submitted].start = elapsed();
      ASSIGN_OR_RETURN(const std::int64_t sequence,
                       engine.Submit(EngineRequest(options, static_cast<std::int64_t>(submitted))));
      numbers[sequence] = submitted++;
    }
    ASSIGN_OR_RETURN(const std::vector<TokenEvent> events, engine.Step());
    const absl::Duration now = elapsed();
    for (const TokenEvent& event : events) {
      RETURN_IF_ERROR(event.token.status());
      RequestTimes& times = result.requests[numbers.at(event.sequence)];
      times.tokens.push_back(now);
      if (!event.finish.has_value()) continue;
      times.end = now;
      numbers.erase(event.sequence);
      progress(++ended);
    }
  }
  result.wall = elapsed();
  return result;
}

}  // namespace sextant::cli
