#include "common/observability/metrics_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/base/status.h"

namespace sextant {
namespace {

constexpr std::size_t kMaxRequestBytes = 8192;
constexpr absl::Duration kPatience = absl::Seconds(1);

void SetTimeouts(int connection) {
  const timeval timeout = absl::ToTimeval(kPatience);
  setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
}

// Up to the empty line that ends the head; shorter when the client went away, sent too much or
// took too long.
std::string ReadHead(int connection) {
  const absl::Time deadline = absl::Now() + kPatience;
  std::string head;
  std::array<char, 1024> block;
  while (head.size() < kMaxRequestBytes && absl::Now() < deadline) {
    const ssize_t count = recv(connection, block.data(), block.size(), 0);
    if (count <= 0) break;
    head.append(block.data(), static_cast<std::size_t>(count));
    if (absl::StrContains(head, "\r\n\r\n")) break;
  }
  return head;
}

void Write(int connection, absl::string_view bytes) {
  const absl::Time deadline = absl::Now() + kPatience;
  while (!bytes.empty() && absl::Now() < deadline) {
    const ssize_t count = send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

std::string Response(absl::string_view status, absl::string_view body) {
  return absl::StrCat("HTTP/1.1 ", status,
                      "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
                      "Content-Length: ",
                      body.size(), "\r\nConnection: close\r\n\r\n", body);
}

}  // namespace

absl::StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Start(const Metrics& metrics,
                                                                    const Options& options) {
  std::unique_ptr<MetricsServer> server(new MetricsServer(metrics));
  RETURN_IF_ERROR(server->Listen(options));
  server->thread_ = std::thread([raw = server.get()] { raw->Serve(); });
  return server;
}

absl::Status MetricsServer::Listen(const Options& options) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  if (inet_pton(AF_INET, options.host.c_str(), &address.sin_addr) != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("the metrics page's host \"", options.host,
                     "\" is no IPv4 address; give one such as 127.0.0.1"));
  }
  if (options.port < 0 || options.port > 65535) {
    return absl::InvalidArgumentError(absl::StrCat("the metrics page's port ", options.port,
                                                   " is outside 0 to 65535; 0 takes any free one"));
  }
  address.sin_port = htons(static_cast<std::uint16_t>(options.port));
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  stop_ = eventfd(0, EFD_CLOEXEC);
  const int reuse = 1;
  setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse));
  socklen_t length = sizeof(address);
  if (bind(listener_, reinterpret_cast<const sockaddr*>(&address), length) != 0 ||
      listen(listener_, 16) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    return absl::UnavailableError(absl::StrCat(
        "the metrics page cannot listen on ", options.host, ":", options.port, ": ",
        std::strerror(errno), "; --admin-port 0 takes any free port, -1 serves no page"));
  }
  target_ = absl::StrCat(options.host, ":", ntohs(address.sin_port));
  return absl::OkStatus();
}

MetricsServer::~MetricsServer() {
  if (thread_.joinable()) {
    const std::uint64_t one = 1;
    static_cast<void>(!write(stop_, &one, sizeof(one)));  // an eventfd takes it always
    thread_.join();
  }
  if (listener_ >= 0) close(listener_);
  if (stop_ >= 0) close(stop_);
}

void MetricsServer::Serve() {
  std::array<pollfd, 2> waited = {pollfd{.fd = listener_, .events = POLLIN, .revents = 0},
                                  pollfd{.fd = stop_, .events = POLLIN, .revents = 0}};
  while (true) {
    if (poll(waited.data(), waited.size(), -1) < 0 && errno != EINTR) return;
    if (waited[1].revents != 0) return;
    const int connection = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) {
      // Without a free descriptor the listener stays readable; do not spin on it.
      if (errno == EMFILE || errno == ENFILE) absl::SleepFor(absl::Milliseconds(100));
      continue;
    }
    SetTimeouts(connection);
    Answer(connection);
    close(connection);
  }
}

void MetricsServer::Answer(int connection) const {
  const std::string head = ReadHead(connection);
  if (!absl::StrContains(head, "\r\n\r\n")) {
    Write(connection, Response("400 Bad Request", "not an HTTP request\n"));
  } else if (absl::StartsWith(head, "GET /metrics ") || absl::StartsWith(head, "GET /metrics?")) {
    Write(connection, Response("200 OK", metrics_.TextWithProcess()));
  } else {
    Write(connection, Response("404 Not Found", "the page is /metrics\n"));
  }
}

}  // namespace sextant
