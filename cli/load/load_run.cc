#include "cli/load/load_run.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <random>

#include "absl/time/clock.h"

namespace sextant::cli {
namespace {

constexpr absl::Duration kTellEvery = absl::Milliseconds(100);

// Streams of random numbers that do not meet: one for each request, and one for the pauses.
std::mt19937_64 Random(std::uint64_t seed, std::uint64_t stream) {
  std::seed_seq mixed = {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32U),
                         static_cast<std::uint32_t>(stream),
                         static_cast<std::uint32_t>(stream >> 32U)};
  return std::mt19937_64(mixed);
}

class Run {
 public:
  Run(InferenceClient& client, const LoadOptions& options)
      : client_(client), options_(options), began_(absl::Now()) {
    result_.requests.resize(static_cast<std::size_t>(options.requests));
    answers_.resize(result_.requests.size());
    if (options.rate.has_value()) starts_ = OpenLoopStarts(options);
  }

  LoadResult Finish(absl::FunctionRef<bool(std::int64_t)> progress) {
    std::unique_lock<std::mutex> lock(mutex_);
    bool cancelled = false;
    while (ended_ < started_ || (!cancelled && started_ < options_.requests)) {
      while (!cancelled && MayStart()) StartNext(lock);
      changed_.wait_for(lock, absl::ToChronoNanoseconds(UntilNext(cancelled)));
      const std::int64_t ended = ended_;
      lock.unlock();
      const bool go_on = progress(ended);
      lock.lock();
      if (go_on || cancelled) continue;
      cancelled = true;
      CancelAll(lock);
    }
    result_.requests.resize(static_cast<std::size_t>(started_));
    result_.wall = absl::ZeroDuration();
    for (const RequestTimes& times : result_.requests) {
      result_.wall = std::max(result_.wall, times.end);
    }
    return std::move(result_);
  }

 private:
  [[nodiscard]] absl::Duration Elapsed() const { return absl::Now() - began_; }

  [[nodiscard]] bool MayStart() const {
    if (started_ >= options_.requests) return false;
    if (!options_.rate.has_value()) return started_ - ended_ < options_.concurrency;
    return starts_[static_cast<std::size_t>(started_)] <= Elapsed();
  }

  [[nodiscard]] absl::Duration UntilNext(bool cancelled) const {
    if (cancelled || !options_.rate.has_value() || started_ >= options_.requests) {
      return kTellEvery;
    }
    const absl::Duration pause = starts_[static_cast<std::size_t>(started_)] - Elapsed();
    return std::clamp(pause, absl::Microseconds(50), kTellEvery);
  }

  // Without the lock while the request is handed over, because its callbacks take it.
  void StartNext(std::unique_lock<std::mutex>& lock) {
    const auto index = static_cast<std::size_t>(started_++);
    result_.requests[index].start = Elapsed();
    lock.unlock();
    const v1::GenerateRequest request = MakeLoadRequest(options_, static_cast<std::int64_t>(index));
    const absl::Duration start = Elapsed();
    std::shared_ptr<Answer> answer = client_.Generate(
        request, {.timeout = options_.timeout},
        [this, index](const v1::GenerateResponse& piece) { OnPiece(index, piece); },
        [this, index](const absl::Status& status) { OnEnd(index, status); });
    lock.lock();
    result_.requests[index].start = start;
    answers_[index] = std::move(answer);
  }

  void OnPiece(std::size_t index, const v1::GenerateResponse& piece) {
    const absl::Duration now = Elapsed();
    const std::lock_guard<std::mutex> lock(mutex_);
    std::vector<absl::Duration>& tokens = result_.requests[index].tokens;
    tokens.insert(tokens.end(), static_cast<std::size_t>(piece.token_ids_size()), now);
  }

  void OnEnd(std::size_t index, const absl::Status& status) {
    const absl::Duration now = Elapsed();
    const std::lock_guard<std::mutex> lock(mutex_);
    result_.requests[index].end = now;
    result_.requests[index].status = status;
    ++ended_;
    changed_.notify_one();
  }

  void CancelAll(std::unique_lock<std::mutex>& lock) {
    const std::vector<std::shared_ptr<Answer>> answers = answers_;
    lock.unlock();
    for (const auto& answer : answers) {
      if (answer != nullptr) answer->Cancel();
    }
    lock.lock();
  }

  InferenceClient& client_;
  const LoadOptions& options_;
  const absl::Time began_;
  std::vector<absl::Duration> starts_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::int64_t started_ = 0;
  std::int64_t ended_ = 0;
  LoadResult result_;
  std::vector<std::shared_ptr<Answer>> answers_;
};

}  // namespace

v1::GenerateRequest MakeLoadRequest(const LoadOptions& options, std::int64_t number) {
  v1::GenerateRequest request;
  std::mt19937_64 random = Random(options.seed, static_cast<std::uint64_t>(number) + 1);
  for (std::int64_t i = 0; i < options.prompt_tokens; ++i) {
    // The bias of the remainder does not matter, but being the same everywhere does.
    const auto id = random() % static_cast<std::uint64_t>(options.vocab_size);
    request.mutable_token_ids()->add_ids(static_cast<std::int32_t>(id));
  }
  v1::GenerationParams& params = *request.mutable_params();
  params.set_max_tokens(options.max_tokens);
  params.set_ignore_eos(true);
  params.mutable_sampling()->set_temperature(0);
  params.mutable_sampling()->set_seed(options.seed + static_cast<std::uint64_t>(number));
  return request;
}

std::vector<absl::Duration> OpenLoopStarts(const LoadOptions& options) {
  std::mt19937_64 random = Random(options.seed, 0);
  std::vector<absl::Duration> starts;
  absl::Duration at;
  for (std::int64_t i = 0; i < options.requests; ++i) {
    starts.push_back(at);
    // In (0, 1), from the upper 53 bits.
    const double uniform = (static_cast<double>(random() >> 11U) + 0.5) * 0x1p-53;
    at += absl::Seconds(-std::log(uniform) / *options.rate);
  }
  return starts;
}

LoadResult RunLoad(InferenceClient& client, const LoadOptions& options,
                   absl::FunctionRef<bool(std::int64_t)> progress) {
  return Run(client, options).Finish(progress);
}

}  // namespace sextant::cli
