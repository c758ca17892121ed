#include "tests/chaos/endless_streams.h"

#include <algorithm>
#include <condition_variable>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace sextant::chaos {

EndlessStreams::EndlessStreams(const Options& options)
    : options_(options), client_(options.target) {}

EndlessStreams::~EndlessStreams() { Stop(); }

void EndlessStreams::Start() {
  for (int stream = 0; stream < options_.streams; ++stream) {
    threads_.emplace_back([this, stream] { Run(stream); });
  }
}

void EndlessStreams::Stop() {
  stopping_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

EndlessStreams::Results EndlessStreams::results() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return results_;
}

std::int64_t EndlessStreams::failures() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return static_cast<std::int64_t>(results_.failures.size());
}

void EndlessStreams::Run(int stream) {
  auto next = static_cast<std::size_t>(stream);
  while (!stopping_) {
    Ask(next % options_.requests.size());
    next += static_cast<std::size_t>(options_.streams) + 1;
  }
}

void EndlessStreams::Ask(std::size_t index) {
  std::mutex mutex;
  std::condition_variable changed;
  GotAnswer got;
  std::vector<absl::Time> times = {absl::Now()};
  absl::Status end;
  bool ended = false;
  // The client keeps the answer until its end has been told.
  static_cast<void>(client_.Generate(
      options_.requests[index], {.timeout = options_.timeout},
      [&](const v1::GenerateResponse& piece) {
        const std::lock_guard<std::mutex> lock(mutex);
        got.ids.insert(got.ids.end(), piece.token_ids().begin(), piece.token_ids().end());
        for (const v1::TokenLogprobs& token : piece.logprobs()) {
          got.logprobs.push_back(token.logprob());
        }
        if (!piece.token_ids().empty()) times.push_back(absl::Now());
      },
      [&](const absl::Status& status) {
        const std::lock_guard<std::mutex> lock(mutex);
        end = status;
        ended = true;
        changed.notify_one();
      }));
  std::unique_lock<std::mutex> lock(mutex);
  changed.wait(lock, [&] { return ended; });
  Compare(index, end, got, times);
}

void EndlessStreams::Compare(std::size_t index, const absl::Status& end, const GotAnswer& got,
                             const std::vector<absl::Time>& times) {
  const GotAnswer& wanted = options_.wanted[index];
  std::string failure;
  if (!end.ok()) {
    failure = absl::StrCat("request ", index, " ended after ", got.ids.size(),
                           " tokens: ", end.ToString());
  } else if (got != wanted) {
    const auto differ =
        std::mismatch(got.ids.begin(), got.ids.end(), wanted.ids.begin(), wanted.ids.end());
    failure = absl::StrCat("request ", index, ": ", got.ids.size(), " tokens instead of ",
                           wanted.ids.size(), ", the first that differs is number ",
                           differ.first - got.ids.begin());
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  ++results_.answers;
  results_.tokens += static_cast<std::int64_t>(got.ids.size());
  for (std::size_t i = 1; i < times.size(); ++i) {
    if (times[i] - times[i - 1] < options_.shortest_gap) continue;
    results_.gaps.push_back({.begin = times[i - 1], .end = times[i], .first_token = i == 1});
  }
  if (!failure.empty()) results_.failures.push_back(std::move(failure));
}

}  // namespace sextant::chaos
