// Clients that never stop: each asks for one answer after the other, and every answer is compared
// with the one of an undisturbed run.
//
// Threads:   one of its own for each stream. Start and Stop belong to one thread.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "cli/client/inference_client.h"
#include "tests/integration/cluster/asked_requests.h"

namespace sextant::chaos {

// A time in which a stream got no token.
struct Gap {
  absl::Time begin;
  absl::Time end;
  bool first_token = false;  // the request had been sent at `begin`
};

class EndlessStreams {
 public:
  struct Options {
    std::string target;
    const std::vector<v1::GenerateRequest>& requests;  // outlive this, as do the answers
    const std::vector<GotAnswer>& wanted;
    int streams = 16;
    absl::Duration timeout = absl::Seconds(60);  // of one request
    absl::Duration shortest_gap = absl::Milliseconds(50);
  };
  struct Results {
    std::int64_t answers = 0;
    std::int64_t tokens = 0;
    std::vector<Gap> gaps = {};  // those of at least shortest_gap
    std::vector<std::string> failures = {};
  };

  explicit EndlessStreams(const Options& options);
  ~EndlessStreams();
  EndlessStreams(const EndlessStreams&) = delete;
  EndlessStreams& operator=(const EndlessStreams&) = delete;

  void Start();
  // Lets the answers under way end.
  void Stop();
  // Those of answers that have ended.
  [[nodiscard]] Results results() const;
  [[nodiscard]] std::int64_t failures() const;

 private:
  void Run(int stream);
  void Ask(std::size_t index);
  void Compare(std::size_t index, const absl::Status& end, const GotAnswer& got,
               const std::vector<absl::Time>& times);

  const Options options_;
  cli::InferenceClient client_;
  std::atomic<bool> stopping_ = false;
  std::vector<std::thread> threads_;

  mutable std::mutex mutex_;
  Results results_;
};

}  // namespace sextant::chaos
