#include "common/observability/metrics_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/support/message_of.h"

namespace sextant {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

int PortOf(const std::string& target) {
  int port = 0;
  static_cast<void>(absl::SimpleAtoi(target.substr(target.rfind(':') + 1), &port));
  return port;
}

int Connect(int port) {
  const int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(connection, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  return connection;
}

// The whole answer to `request`.
std::string Exchange(int port, const std::string& request) {
  const int connection = Connect(port);
  std::string answer;
  if (send(connection, request.data(), request.size(), MSG_NOSIGNAL) > 0) {
    std::array<char, 4096> block;
    ssize_t count = 0;
    while ((count = read(connection, block.data(), block.size())) > 0) {
      answer.append(block.data(), static_cast<std::size_t>(count));
    }
  }
  close(connection);
  return answer;
}

std::string Get(int port, const std::string& path) {
  return Exchange(port, "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
}

TEST(MetricsServerTest, ServesMetricsAndTheProcessOnAChosenPort) {
  Metrics metrics;
  metrics.AddGauge(kNumRequestsRunning).Set(7);
  const auto server = MetricsServer::Start(metrics, {});
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_THAT((*server)->target(), StartsWith("127.0.0.1:"));
  EXPECT_THAT(Get(PortOf((*server)->target()), "/metrics"),
              AllOf(StartsWith("HTTP/1.1 200"), HasSubstr("vllm:num_requests_running 7\n"),
                    HasSubstr("\nprocess_resident_memory_bytes "),
                    HasSubstr("\nprocess_cpu_seconds_total "), HasSubstr("\nprocess_open_fds "),
                    HasSubstr("\nprocess_start_time_seconds ")));
  EXPECT_THAT(Get(PortOf((*server)->target()), "/other"), HasSubstr(" 404 Not Found\r\n"));
}

TEST(MetricsServerTest, WhatIsNoRequestGetsAnErrorAndThePageLives) {
  const Metrics metrics;
  const auto server = MetricsServer::Start(metrics, {});
  ASSERT_TRUE(server.ok()) << server.status();
  const int port = PortOf((*server)->target());
  EXPECT_THAT(Exchange(port, std::string(8192, 'x')), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(Get(port, "/metrics"), StartsWith("HTTP/1.1 200"));
}

TEST(MetricsServerTest, SilentClientsHoldNobodyUpAndAreHungUpOn) {
  const Metrics metrics;
  const auto server = MetricsServer::Start(metrics, {});
  ASSERT_TRUE(server.ok()) << server.status();
  const int port = PortOf((*server)->target());
  const absl::Time began = absl::Now();
  std::vector<int> silent;
  for (int i = 0; i < 15; ++i) silent.push_back(Connect(port));

  EXPECT_THAT(Get(port, "/metrics"), StartsWith("HTTP/1.1 200"));
  EXPECT_LT(absl::Now() - began, absl::Milliseconds(900));

  for (const int connection : silent) {
    char byte = 0;
    EXPECT_EQ(read(connection, &byte, 1), 0);
    close(connection);
  }
  EXPECT_LT(absl::Now() - began, absl::Seconds(5));
}

TEST(MetricsServerTest, AHostThatIsNoAddressIsRefused) {
  const Metrics metrics;
  EXPECT_THAT(MessageOf(MetricsServer::Start(metrics, {.host = "localhost"})),
              HasSubstr("\"localhost\" is no IPv4 address"));
  EXPECT_THAT(MessageOf(MetricsServer::Start(metrics, {.port = 65536})), HasSubstr("65536"));
}

TEST(MetricsServerTest, ATakenPortIsAnErrorThatNamesIt) {
  const Metrics metrics;
  const auto first = MetricsServer::Start(metrics, {});
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = MetricsServer::Start(metrics, {.port = PortOf((*first)->target())});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(MessageOf(second), HasSubstr((*first)->target()));
}

}  // namespace
}  // namespace sextant
