#include "tests/integration/cluster/bystander.h"

#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "tests/integration/cluster/asked_requests.h"

namespace sextant {
namespace {

constexpr absl::Duration kLongestWait = absl::Minutes(1);
constexpr absl::Duration kPause = absl::Milliseconds(30);  // leaves the processors to the test

}  // namespace

bool Bystander::IsServed() const {
  const int wanted = answers_ + 2;  // the one under way began before
  const absl::Time deadline = absl::Now() + kLongestWait;
  while (answers_ < wanted && problem().ok() && absl::Now() < deadline) {
    absl::SleepFor(absl::Milliseconds(5));
  }
  return answers_ >= wanted && problem().ok();
}

void Bystander::Run() {
  std::vector<GotAnswer> first;
  while (!stopping_) {
    absl::StatusOr<std::vector<GotAnswer>> got = AskCluster(target_, {request_});
    absl::Status problem = got.status();
    if (got.ok() && first.empty()) first = *got;
    if (got.ok() && *got != first) problem = absl::DataLossError("another answer than the first");
    if (!problem.ok()) {
      const MutexLock lock(mutex_);
      problem_ = std::move(problem);
      return;
    }
    ++answers_;
    absl::SleepFor(kPause);
  }
}

}  // namespace sextant
