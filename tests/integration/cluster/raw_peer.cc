#include "tests/integration/cluster/raw_peer.h"

#include <arpa/inet.h>
#include <grpcpp/support/byte_buffer.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "common/rpc/status.h"

namespace sextant {
namespace {

int ConnectUnix(absl::string_view path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return -1;
  std::memcpy(address.sun_path, path.data(), path.size());
  const int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
    return descriptor;
  }
  close(descriptor);
  return -1;
}

int ConnectTcp(const std::string& target) {
  const std::size_t colon = target.rfind(':');
  int port = 0;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  if (!absl::SimpleAtoi(target.substr(colon + 1), &port) ||
      inet_pton(AF_INET, target.substr(0, colon).c_str(), &address.sin_addr) != 1) {
    return -1;
  }
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
    return descriptor;
  }
  close(descriptor);
  return -1;
}

}  // namespace

RawCall::RawCall(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                 absl::Duration longest)
    : stub_(channel) {
  context_.set_deadline(absl::ToChronoTime(absl::Now() + longest));
  call_ = stub_.PrepareCall(&context_, method, &queue_);
  call_->StartCall(nullptr);
  static_cast<void>(Next());
}

RawCall::~RawCall() {
  context_.TryCancel();
  if (!finished_) static_cast<void>(Finish());
  queue_.Shutdown();
  static_cast<void>(Next());
}

bool RawCall::Next() {
  void* tag = nullptr;
  bool ok = false;
  return queue_.Next(&tag, &ok) && ok;
}

bool RawCall::Write(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  call_->Write(grpc::ByteBuffer(&slice, 1), nullptr);
  return Next();
}

bool RawCall::WritesDone() {
  call_->WritesDone(nullptr);
  return Next();
}

bool RawCall::Read(std::string& bytes) {
  grpc::ByteBuffer buffer;
  call_->Read(&buffer, nullptr);
  if (!Next()) return false;
  std::vector<grpc::Slice> slices;
  bytes.clear();
  if (!buffer.Dump(&slices).ok()) return false;
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return true;
}

absl::Status RawCall::Finish() {
  std::string bytes;
  while (Read(bytes)) {
  }
  grpc::Status status;
  call_->Finish(&status, nullptr);
  static_cast<void>(Next());
  finished_ = true;
  return FromGrpc(status);
}

RawSocket::RawSocket(const std::string& target) {
  absl::string_view path = target;
  descriptor_ = absl::ConsumePrefix(&path, "unix:") ? ConnectUnix(path) : ConnectTcp(target);
}

RawSocket::~RawSocket() {
  if (descriptor_ >= 0) close(descriptor_);
}

void RawSocket::Send(const std::string& bytes) {
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    pollfd writable{.fd = descriptor_, .events = POLLOUT, .revents = 0};
    if (poll(&writable, 1, 100) != 1) return;
    const ssize_t count =
        send(descriptor_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count <= 0) return;
    sent += static_cast<std::size_t>(count);
  }
}

void RawSocket::Listen(absl::Duration longest) {
  const absl::Time until = absl::Now() + longest;
  std::array<char, 4096> block;
  while (absl::Now() < until) {
    pollfd readable{.fd = descriptor_, .events = POLLIN, .revents = 0};
    const auto left = absl::ToInt64Milliseconds(until - absl::Now());
    if (poll(&readable, 1, static_cast<int>(left)) != 1) return;
    if (recv(descriptor_, block.data(), block.size(), MSG_DONTWAIT) <= 0) return;
  }
}

}  // namespace sextant
