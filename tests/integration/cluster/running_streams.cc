#include "tests/integration/cluster/running_streams.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>
#include <utility>

#include "tests/integration/cluster/asked_requests.h"

namespace sextant {

void WhileStreamsRun(const std::string& target, const std::string& model,
                     const std::function<void()>& change) {
  const auto requests = MakeRequests(8, 250, 60);
  const auto wanted = AskOneProcess(model, requests);
  ASSERT_TRUE(wanted.ok()) << wanted.status();
  std::atomic<bool> over = false;
  std::promise<void> begun;
  std::thread streams([&] {
    bool first = true;
    while (first || !over) {
      const auto got = AskCluster(target, requests, [&] {
        if (std::exchange(first, false)) begun.set_value();
      });
      EXPECT_TRUE(got.ok()) << got.status();
      if (!got.ok() || *got != *wanted) {
        ADD_FAILURE() << "a stream failed, or got other bytes";
        if (std::exchange(first, false)) begun.set_value();
        break;
      }
    }
  });
  begun.get_future().wait();
  change();
  over = true;
  streams.join();
}

}  // namespace sextant
