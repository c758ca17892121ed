#include "common/observability/metrics_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/base/status.h"

namespace sextant {
namespace {

constexpr std::size_t kMaxRequestBytes = 8192;
constexpr std::size_t kMostClients = 16;  // at once; further ones wait to be accepted
constexpr absl::Duration kPatience = absl::Seconds(1);

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

// A request under way, or its answer.
class MetricsServer::Client {
 public:
  explicit Client(int connection) : connection_(connection) {}
  ~Client() {
    if (connection_ >= 0) close(connection_);
  }
  Client(Client&& other) noexcept { *this = std::move(other); }
  Client& operator=(Client&& other) noexcept {
    std::swap(connection_, other.connection_);
    deadline_ = other.deadline_;
    head_ = std::move(other.head_);
    answer_ = std::move(other.answer_);
    return *this;
  }

  [[nodiscard]] pollfd Waited() const {
    return {.fd = connection_,
            .events = static_cast<std::int16_t>(answer_.empty() ? POLLIN : POLLOUT),
            .revents = 0};
  }
  [[nodiscard]] absl::Time deadline() const { return deadline_; }

  // Takes what has come, or sends what the socket takes. False when all is done, or the client went
  // away.
  [[nodiscard]] bool Advance(const MetricsServer& server) {
    if (!answer_.empty()) {
      const ssize_t count = send(connection_, answer_.data(), answer_.size(), MSG_NOSIGNAL);
      if (count > 0) answer_.erase(0, static_cast<std::size_t>(count));
      return !answer_.empty() && (count > 0 || errno == EAGAIN);
    }
    std::array<char, 1024> block;
    const ssize_t count = recv(connection_, block.data(), block.size(), 0);
    if (count < 0) return errno == EAGAIN;
    head_.append(block.data(), static_cast<std::size_t>(count));
    const bool whole = absl::StrContains(head_, "\r\n\r\n");
    if (whole || count == 0 || head_.size() >= kMaxRequestBytes) {
      answer_ =
          whole ? server.AnswerTo(head_) : Response("400 Bad Request", "not an HTTP request\n");
    }
    return true;
  }

 private:
  int connection_ = -1;
  absl::Time deadline_ = absl::Now() + kPatience;
  std::string head_;
  std::string answer_;  // what is left of it
};

void MetricsServer::Serve() {
  std::vector<Client> clients;
  std::vector<pollfd> waited;
  while (true) {
    absl::Time deadline = absl::InfiniteFuture();
    waited = {
        pollfd{.fd = stop_, .events = POLLIN, .revents = 0},
        pollfd{
            .fd = clients.size() < kMostClients ? listener_ : -1, .events = POLLIN, .revents = 0}};
    for (const Client& client : clients) {
      waited.push_back(client.Waited());
      deadline = std::min(deadline, client.deadline());
    }
    const absl::Duration left = std::max(deadline - absl::Now(), absl::ZeroDuration());
    const int timeout =
        clients.empty()
            ? -1
            : static_cast<int>(absl::ToInt64Milliseconds(absl::Ceil(left, absl::Milliseconds(1))));
    if (poll(waited.data(), waited.size(), timeout) < 0) {
      if (errno != EINTR) return;
      continue;
    }
    if (waited[0].revents != 0) return;
    std::vector<Client> staying;
    for (std::size_t i = 0; i < clients.size(); ++i) {
      const bool idle = waited[i + 2].revents == 0;
      const bool stays = absl::Now() < clients[i].deadline() && (idle || clients[i].Advance(*this));
      if (stays) staying.push_back(std::move(clients[i]));
    }
    clients = std::move(staying);
    if (waited[1].revents != 0) Accept(clients);
  }
}

void MetricsServer::Accept(std::vector<Client>& clients) const {
  const int connection = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (connection >= 0) {
    clients.emplace_back(connection);
  } else if (errno == EMFILE || errno == ENFILE) {
    // Without a free descriptor the listener stays readable; do not spin on it.
    absl::SleepFor(absl::Milliseconds(100));
  }
}

std::string MetricsServer::AnswerTo(absl::string_view head) const {
  if (absl::StartsWith(head, "GET /metrics ") || absl::StartsWith(head, "GET /metrics?")) {
    return Response("200 OK", metrics_.TextWithProcess());
  }
  return Response("404 Not Found", "the page is /metrics\n");
}

}  // namespace sextant
