// What streams notice of scaling: inter-token latency before, during and after, the longest pause,
// and how long it takes.
//
//   scaling_benchmark ROUTER STREAMS SECONDS COUNT...
//
// Keeps STREAMS streams running at the cluster at ROUTER; lets SECONDS pass; has the expert workers
// scaled to the first COUNT; lets SECONDS pass; and so on. Every stream must go on to the end.
#include <grpcpp/client_context.h>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "cli/client/inference_client.h"
#include "common/rpc/channel.h"
#include "common/rpc/status.h"
#include "proto/sextant/v1/admin.grpc.pb.h"

namespace sextant {
namespace {

constexpr int kPromptTokens = 32;
constexpr int kMaxTokens = 1500;
constexpr absl::Duration kPatience = absl::Minutes(5);

struct Gap {
  absl::Time end;
  absl::Duration length;
};

// Streams without end: one that has got all its tokens begins anew.
class Load {
 public:
  Load(const std::string& target, int streams) : client_(target), streams_(streams) {}

  void Start() {
    for (int i = 0; i < streams_; ++i) Begin();
  }
  // Waits, and begins anew what has ended; an error ends the program.
  void Run(absl::Duration duration) {
    const absl::Time end = absl::Now() + duration;
    std::unique_lock<std::mutex> lock(mutex_);
    while (absl::Now() < end) {
      changed_.wait_for(lock, absl::ToChronoMilliseconds(absl::Milliseconds(50)));
      RestartEnded(lock);
    }
  }
  std::vector<Gap> TakeGaps() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return std::exchange(gaps_, {});
  }
  void AwaitFirstTokens() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return begun_ >= streams_ || !failure_.ok(); });
    RestartEnded(lock);
  }
  void Stop() {
    std::unique_lock<std::mutex> lock(mutex_);
    stopping_ = true;
    const auto answers = answers_;
    lock.unlock();
    for (const auto& answer : answers) answer->Cancel();
    lock.lock();
    changed_.wait(lock, [this] { return running_ == 0; });
  }

 private:
  void RestartEnded(std::unique_lock<std::mutex>& lock) {
    if (!failure_.ok()) {
      std::fprintf(stderr, "a stream failed: %s\n", failure_.ToString().c_str());
      std::_Exit(1);
    }
    const int missing = streams_ - running_;
    if (missing == 0) return;
    lock.unlock();
    for (int i = 0; i < missing; ++i) Begin();
    lock.lock();
  }

  void Begin() {
    v1::GenerateRequest request;
    for (int i = 0; i < kPromptTokens; ++i) {
      request.mutable_token_ids()->add_ids(static_cast<std::int32_t>(random_() % 250));
    }
    request.mutable_params()->set_max_tokens(kMaxTokens);
    request.mutable_params()->set_ignore_eos(true);
    request.mutable_params()->mutable_sampling()->set_temperature(0);
    auto last = std::make_shared<absl::Time>(absl::InfinitePast());
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      ++running_;
    }
    std::shared_ptr<cli::Answer> answer = client_.Generate(
        request, {},
        [this, last](const v1::GenerateResponse& piece) {
          if (piece.token_ids().empty()) return;
          const absl::Time now = absl::Now();
          const std::lock_guard<std::mutex> lock(mutex_);
          if (*last == absl::InfinitePast()) {
            ++begun_;
            changed_.notify_all();
          } else {
            gaps_.push_back({.end = now, .length = now - *last});
            // Tokens that come together have come at once.
            for (int i = 1; i < piece.token_ids_size(); ++i) {
              gaps_.push_back({.end = now, .length = absl::ZeroDuration()});
            }
          }
          *last = now;
        },
        [this](const absl::Status& status) {
          const std::lock_guard<std::mutex> lock(mutex_);
          --running_;
          if (!stopping_ && failure_.ok()) failure_ = status;
          changed_.notify_all();
        });
    const std::lock_guard<std::mutex> lock(mutex_);
    answers_.push_back(std::move(answer));
  }

  cli::InferenceClient client_;
  const int streams_;
  std::mt19937 random_{1};  // NOLINT(bugprone-random-generator-seed): repeatable
  std::mutex mutex_;        // guards what follows
  std::condition_variable changed_;
  std::vector<std::shared_ptr<cli::Answer>> answers_;
  std::vector<Gap> gaps_;
  int running_ = 0;
  int begun_ = 0;
  bool stopping_ = false;
  absl::Status failure_;
};

void Print(const std::string& period, std::vector<Gap> gaps, absl::Duration duration) {
  std::sort(gaps.begin(), gaps.end(),
            [](const Gap& a, const Gap& b) { return a.length < b.length; });
  const auto at = [&](double share) {
    if (gaps.empty()) return 0.0;
    const auto index = static_cast<std::size_t>(share * static_cast<double>(gaps.size() - 1));
    return absl::ToDoubleMilliseconds(gaps[index].length);
  };
  std::printf("%-22s %7.2f s %8zu tokens %8.1f /s   p50 %7.1f   p99 %7.1f   max %7.1f ms\n",
              period.c_str(), absl::ToDoubleSeconds(duration), gaps.size(),
              static_cast<double>(gaps.size()) / absl::ToDoubleSeconds(duration), at(0.5), at(0.99),
              at(1.0));
  std::fflush(stdout);
}

// Until it is done; the last step's text.
std::string Scale(v1::Admin::Stub& admin, int count) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  v1::ScaleRequest request;
  request.set_role(v1::ROLE_EXPERT);
  request.set_count(count);
  const auto stream = admin.Scale(&context, request);
  v1::ChangeProgress step;
  while (stream->Read(&step)) {
  }
  const absl::Status status = FromGrpc(stream->Finish());
  if (!status.ok() || !step.done()) {
    std::fprintf(stderr, "scaling to %d failed: %s\n", count, status.ToString().c_str());
    std::_Exit(1);
  }
  return step.message();
}

void PrintChange(v1::Admin::Stub& admin) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  v1::ClusterStatus status;
  if (!admin.Status(&context, {}, &status).ok()) return;
  const v1::EpochStatus& change = status.change();
  std::printf("  epoch %d: prepare %.1f ms, commit %.1f ms, retire %.1f ms\n",
              static_cast<int>(change.epoch()), 1e3 * change.prepare_seconds(),
              1e3 * change.commit_seconds(), 1e3 * change.retire_seconds());
}

int Run(int argc, char** argv) {
  if (argc < 5) {
    std::fprintf(stderr, "usage: scaling_benchmark ROUTER STREAMS SECONDS COUNT...\n");
    return 2;
  }
  const absl::Duration period = absl::Seconds(std::atof(argv[3]));
  const auto admin = v1::Admin::NewStub(OpenChannel(argv[1]));
  Load load(argv[1], std::atoi(argv[2]));
  load.Start();
  load.AwaitFirstTokens();
  static_cast<void>(load.TakeGaps());
  load.Run(period);
  Print("before", load.TakeGaps(), period);
  for (int i = 4; i < argc; ++i) {
    const int count = std::atoi(argv[i]);
    const absl::Time begun = absl::Now();
    const std::string said = Scale(*admin, count);
    const absl::Duration took = absl::Now() - begun;
    Print(absl::StrFormat("while scaling to %d", count), load.TakeGaps(), took);
    std::printf("  %s\n", said.c_str());
    PrintChange(*admin);
    load.Run(period);
    Print(absl::StrFormat("with %d", count), load.TakeGaps(), period);
  }
  load.Stop();
  return 0;
}

}  // namespace
}  // namespace sextant

int main(int argc, char** argv) { return sextant::Run(argc, argv); }
